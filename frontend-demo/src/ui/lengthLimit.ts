/** The `maxLength` of a field for so many characters: it counts UTF-16 units, of which a character has up to two. The service counts characters. */
export function lengthLimit(characters: number): number {
  return 2 * characters;
}
