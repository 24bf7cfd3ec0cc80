// The page as a file: everything is in it.

start(new Model(read("labels"), read("review")), new PageFiles());
