/** The text of an amount, cut after each separator that has three digits or more behind it: "$1,", "234,", "567.80". */
export function groupsOf(text: string): string[] {
  return text.split(/(?<=\p{Nd}[^\p{Nd}])(?=\p{Nd}{3})/u);
}
