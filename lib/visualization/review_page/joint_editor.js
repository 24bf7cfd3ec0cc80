// The dialog in which the joints of a project, their pairs, and their bones are changed.
//
// A row is {column, name}, with the column of a joint that exists, null for an added one. Bones are pairs of rows.

class JointEditor {
  constructor(live, connection) {
    [this.live, this.connection] = [live, connection];
    this.list = element("ol", { className: "editable" });
    this.boneList = element("ul", { className: "editable" });
    this.ends = [this.#choice("First joint of a bone"), this.#choice("Second joint of a bone")];
    this.sides = [this.#choice("Left joint"), this.#choice("Right joint")];
    this.word = element("input", { type: "text", size: 10, placeholder: "name", ariaLabel: "Name of the pair" });
    this.refusal = element("p", { id: "joint-refusal" });
    this.refusal.setAttribute("role", "alert");
    this.confirm = this.#button("Remove it; its labels stay on disk", () => this.#save(true));
    this.dialog = this.#dialog();
    document.body.append(this.dialog);
  }

  open() {
    const { names, columns, bones } = this.live.joints;
    this.rows = names.map((name, joint) => ({ column: columns[joint], name }));
    this.bones = bones.map(([a, b]) => [this.rows[a], this.rows[b]]);
    this.#fill();
    this.dialog.showModal();
    this.list.querySelector("input").focus();
  }

  #button(textContent, run) {
    const made = element("button", { textContent, type: "button" });
    made.addEventListener("click", run);
    return made;
  }

  #choice(ariaLabel) { return element("select", { ariaLabel }); }

  #dialog() {
    const save = this.#button("Save", () => this.#save(false));
    save.className = "main";
    const dialog = element("dialog", { id: "joint-editor" },
      element("h2", { textContent: "Joints" }), this.list, this.#button("Add a joint", () => this.#add()),
      element("h3", { textContent: "Bones" }), this.boneList,
      element("p", {}, ...this.ends, " ", this.#button("Connect", () => this.#connect())),
      element("h3", { textContent: "Pairs" }),
      element("p", { className: "quiet", textContent: "A left and a right joint are a pair if their names say so, here and in exported files." }),
      element("p", {}, "Name ", this.sides[0], " left_, ", this.sides[1], " right_ ", this.word, " ",
        this.#button("Pair", () => this.#pair())),
      this.refusal, element("p", {}, save, " ", this.#button("Cancel", () => this.dialog.close()), " ", this.confirm));
    dialog.setAttribute("aria-label", "Joints");
    return dialog;
  }

  #fill() {
    this.#refuse("");
    this.list.replaceChildren(...this.rows.map((row) => this.#line(row)));
    this.#fillNames();
  }

  // All but the fields, one of which somebody may be typing in.
  #fillNames() {
    this.boneList.replaceChildren(...this.bones.map((bone) => element("li", {}, `${bone[0].name} – ${bone[1].name} `,
      this.#button("Remove", () => { this.bones = this.bones.filter((one) => one !== bone); this.#fill(); }))));
    for (const select of [...this.ends, ...this.sides]) {
      const { value } = select;
      select.replaceChildren(...this.rows.map(({ name }, joint) => element("option", { value: joint, textContent: name })));
      if (value) select.value = value;
    }
    this.rows.forEach((row, place) => { this.list.children[place].lastChild.textContent = this.#partner(row); });
  }

  #line(row) {
    const name = element("input", { type: "text", value: row.name, maxLength: 60, ariaLabel: "Name of the joint" });
    name.addEventListener("input", () => { row.name = name.value.trim(); this.#fillNames(); });
    const remove = this.#button("Remove", () => {
      this.rows = this.rows.filter((one) => one !== row);
      this.bones = this.bones.filter((bone) => !bone.includes(row));
      this.#fill();
    });
    return element("li", {}, name, " ", remove, " ", element("span", { className: "quiet" }));
  }

  // The other side of a joint, as long as neither name has changed.
  #partner(row) {
    const { names, columns, pairs } = this.live.joints;
    const joint = columns.indexOf(row.column);
    const pair = pairs.find((one) => one.includes(joint));
    if (!pair || names[joint] !== row.name) return "";
    const other = pair[0] === joint ? pair[1] : pair[0];
    return this.rows.some(({ column, name }) => column === columns[other] && name === names[other]) ? `⇄ ${names[other]}` : "";
  }

  #add() {
    this.rows.push({ column: null, name: "" });
    this.#fill();
    this.list.lastChild.querySelector("input").focus();
  }

  #chosen(selects) { return selects.map((select) => this.rows[select.value]); }

  #connect() {
    const bone = this.#chosen(this.ends);
    if (bone[0] === bone[1]) { this.#refuse("Choose two different joints."); return; }
    if (!this.bones.some((one) => bone.every((row) => one.includes(row)))) this.bones.push(bone);
    this.#fill();
  }

  #pair() {
    const [left, right] = this.#chosen(this.sides);
    const word = this.word.value.trim();
    if (left === right || !word) { this.#refuse("Choose two different joints, and a name for both, such as ear."); return; }
    [left.name, right.name, this.word.value] = [`left_${word}`, `right_${word}`, ""];
    this.#fill();
  }

  #refuse(text, canConfirm = false) {
    this.refusal.textContent = text;
    this.confirm.hidden = !canConfirm;
  }

  async #save(remove) {
    if (this.connection.waiting.length) { this.#refuse("The last changes are not saved yet; try again."); return; }
    const bones = this.bones.map((bone) => bone.map((row) => this.rows.indexOf(row)));
    const { window: window_, columns } = this.connection;
    const answer = await this.connection.post("skeleton", { joints: this.rows, bones, remove, window: window_, columns });
    if (answer?.status === 200) window.location.reload();
    else this.#refuse(answer ? answer.content.error : "The server does not answer.", answer?.status === 428);
  }
}
