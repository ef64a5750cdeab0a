/** A colour of the page as a canvas takes it: a custom property as such may still be a function of the colour scheme. */
export function colourOf(place: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** How wide the longest line of these labels is, in pixels. */
export function widthOf(values: readonly string[] | null, font: string): number {
  const canvas = document.createElement("canvas").getContext("2d");
  if (canvas === null || values === null) {
    return 50;
  }
  canvas.font = font;
  return Math.ceil(Math.max(0, ...values.flatMap((value) => value.split("\n")).map((line) => canvas.measureText(line).width)));
}
