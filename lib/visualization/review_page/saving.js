// The file that results from the labels and the changes: every joint says whether a person or a program set it.

const BOX_MARGIN = 0.15; // of the extent of the joints on each side, as the boxes that training makes
const JOINT_EVIDENCE = ["scores", "sources", "disagreement"];
const OF_PROPAGATION = [...JOINT_EVIDENCE, "score", "propagated_from"]; // of people with a joint that a program set

function savedLabels(model) {
  const annotations = [];
  for (const [place, record] of model.labels.annotations.entries()) {
    const person = isCrowd(record) ? null : model.personAt(place);
    if (isCrowd(record)) annotations.push(record);
    else if (person && isKept(model, person)) annotations.push(named(model, person, savedRecord(model, person, record)));
  }
  let id = model.labels.annotations.reduce((most, record) => Math.max(most, Number(record.id) || 0), 0);
  let isOfProgram = false;
  for (const frame of model.frames) {
    for (const person of model.people(frame)) {
      isOfProgram ||= person.propagated.length > 0;
      if (person.from >= 0 || !hasJoints(person)) continue;
      const blank = { id: (id += 1), image_id: frame.image.id, category_id: model.category.id ?? 1, iscrowd: 0 };
      annotations.push(named(model, person, savedRecord(model, person, blank)));
    }
  }
  const images = model.labels.images.map((image) =>
    model.state(model.frameOf.get(image.id)) === "corrected" ? { ...image, is_labeled: true } : image);
  const { propagated_by: method } = model.review;
  const info = isOfProgram && method !== null ? { info: { ...model.labels.info, propagated_by: method } } : {};
  return { ...model.labels, ...info, images, annotations };
}

// Nobody without a joint is saved, except for a person's labels of the file, such as boxes, that nobody has touched.
function isKept(model, person) {
  const original = model.originals.get(person.from);
  return hasJoints(person) || (!original.propagated.length && original.keypoints === person.keypoints);
}

function savedRecord(model, person, record) {
  const original = model.originals.get(person.from);
  const made = original?.track === person.track ? { ...record } : { ...record, track_id: person.track };
  const isMoved = String(person.keypoints) !== String(original?.keypoints);
  const isAccepted = person.propagated.length < (original?.propagated.length ?? 0);
  if (!isMoved && !isAccepted) return made;
  made.keypoints = person.keypoints;
  if (isAccepted) setEvidence(made, record, person.propagated, model.names.length);
  const isOwn = original && model.isSet(original);
  if (!isOwn || "num_keypoints" in record) {
    made.num_keypoints = person.keypoints.filter((value, place) => place % 3 === 2 && value > MISSING).length;
  }
  setBox(made, record, isOwn, extent(person.keypoints));
  return made;
}

// A joint that a person set has no score, or null where other joints of the pose have one.
function setEvidence(made, record, propagated, count) {
  if (!propagated.length) {
    for (const key of OF_PROPAGATION) delete made[key];
    return;
  }
  const of = { ...record, scores: record.scores ?? new Array(count).fill(record.score) };
  for (const key of JOINT_EVIDENCE) {
    if (Array.isArray(of[key])) made[key] = of[key].map((value, joint) => (propagated.includes(joint) ? value : null));
  }
}

// Boxes of labels grow if they must; those of other poses are made of the joints.
function setBox(made, record, isOwn, [x1, y1, x2, y2]) {
  if (isOwn) {
    if (Array.isArray(record.bbox)) made.bbox = union(record.bbox, x1, y1, x2, y2);
    return;
  }
  const [w, h] = [x2 - x1, y2 - y1];
  const box = [x1 - BOX_MARGIN * w, y1 - BOX_MARGIN * h, (1 + 2 * BOX_MARGIN) * w, (1 + 2 * BOX_MARGIN) * h];
  made.bbox = box.map(rounded);
  made.area = rounded(box[2] * box[3]);
}

// The name of the track, where it is another one than in the file: there, propagated poses may lack it.
function named(model, person, record) {
  const name = model.trackNames.get(person.track);
  const original = model.originals.get(person.from);
  if (original && name === model.namesOfFile.get(original.track)) return record;
  const { track_name: _, ...made } = record;
  return name === undefined ? made : { ...made, track_name: name };
}

function rounded(value) { return Math.round(value * 1000) / 1000; }

// Smallest and largest x and y of the present joints; zeros if there are none.
function extent(keypoints) {
  const xs = [], ys = [];
  for (let at = 0; at < keypoints.length; at += 3) {
    if (keypoints[at + 2] > MISSING) { xs.push(keypoints[at]); ys.push(keypoints[at + 1]); }
  }
  return xs.length ? [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] : [0, 0, 0, 0];
}

// A box x, y, w, h, enlarged as needed to contain the corners too.
function union([x, y, w, h], x1, y1, x2, y2) {
  const [left, top] = [Math.min(x, x1), Math.min(y, y1)];
  return [left, top, Math.max(x + w, x2) - left, Math.max(y + h, y2) - top].map(rounded);
}
