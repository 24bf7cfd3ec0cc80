"""Where pixels come from: image files in folders or in zip archives, listed once, decoded once, read by number."""
