// The frames' pictures, which stand in the page as base64: decoded when asked for, and the last ones kept.

const DECODED_BYTES = 300e6;

class Pictures {
  constructor() { this.kept = new Map(); } // by index of the frame, the longest unused first

  has(index) { return document.getElementById(`frame${index}`) !== null; }

  // Width and height of the frame itself, whatever those of its picture are.
  size(index) {
    const element = document.getElementById(`frame${index}`) ?? document.querySelector("script[data-width]");
    return element ? [Number(element.dataset.width), Number(element.dataset.height)] : [640, 480];
  }

  // A promise of the picture, an ImageBitmap; of null where there is none.
  get(index) {
    const found = this.kept.get(index) ?? this.#decode(index);
    this.kept.delete(index);
    this.kept.set(index, found);
    const [width, height] = this.size(index);
    const most = Math.max(8, Math.floor(DECODED_BYTES / (4 * width * height)));
    if (this.kept.size > most) {
      const [oldest, picture] = this.kept.entries().next().value;
      this.kept.delete(oldest);
      picture.then((bitmap) => bitmap?.close());
    }
    return found;
  }

  async #decode(index) {
    const element = document.getElementById(`frame${index}`);
    if (!element) return null;
    const bytes = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
    return createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
  }
}
