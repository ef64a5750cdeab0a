/** Splits an amount's text after each separator with at least three digits behind it: "$1,", "234,", "567.80". */
export function groupsOf(text: string): string[] {
  return text.split(/(?<=\p{Nd}[^\p{Nd}])(?=\p{Nd}{3})/u);
}
