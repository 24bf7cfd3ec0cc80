// The frames' pictures: decoded on demand, with the most recent ones cached.

const DECODED_BYTES = 300e6;

class Pictures {
  constructor(files) {
    this.files = files; // where they come from
    this.kept = new Map(); // by index of the frame, the longest unused first
  }

  has(index) { return this.files.has(index); }

  // Width and height of the frame itself, whatever those of its picture are.
  size(index) { return this.files.size(index); }

  // A promise of the picture, an ImageBitmap.
  get(index) {
    const found = this.kept.get(index) ?? this.#decode(index);
    this.kept.delete(index);
    this.kept.set(index, found);
    const [width, height] = this.size(index);
    const most = Math.max(8, Math.floor(DECODED_BYTES / (4 * width * height)));
    if (this.kept.size > most) {
      const [oldest, picture] = this.kept.entries().next().value;
      this.kept.delete(oldest);
      picture.then((bitmap) => bitmap.close());
    }
    return found;
  }

  async #decode(index) { return createImageBitmap(await this.files.file(index)); }
}

// Files in the page, as base64.
class PageFiles {
  constructor() {
    const elements = [...document.querySelectorAll("script[data-frame]")];
    this.elements = new Map(elements.map((element) => [Number(element.dataset.frame), element]));
  }

  has(index) { return this.elements.has(index); }

  size(index) {
    const { width, height } = this.elements.get(index).dataset;
    return [Number(width), Number(height)];
  }

  file(index) {
    const text = atob(this.elements.get(index).textContent);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    return new Blob([bytes], { type: "image/jpeg" });
  }
}
