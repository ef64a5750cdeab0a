/**
 * The `maxLength` of a field for this many characters. The service counts characters, but `maxLength` counts UTF-16 units, of
 * which a character has up to two.
 */
export function lengthLimit(characters: number): number {
  return 2 * characters;
}
