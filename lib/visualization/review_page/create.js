// The joints of a new project.

const names = document.getElementById("names");
const presets = JSON.parse(document.getElementById("data-presets").textContent);
let preset = ""; // whose bones are used as long as its names are not changed

for (const [name, joints] of Object.entries(presets)) {
  const button = document.createElement("button");
  [button.type, button.textContent] = ["button", name];
  button.addEventListener("click", () => { [preset, names.value] = [name, joints.join("\n")]; });
  document.getElementById("presets").append(button);
}

document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const written = names.value.split("\n").map((name) => name.trim()).filter(Boolean);
  const joints = String(presets[preset]) === String(written) ? [preset] : written;
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("joints", { method: "POST", headers, body: JSON.stringify({ joints }) });
  if (answer.ok) window.location.reload();
  else document.getElementById("refusal").textContent = (await answer.json()).error;
});
