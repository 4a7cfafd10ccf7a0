const COLOURS = 6

/** A person's initial on a colour that stays theirs. */
export function Avatar({ name }: { name: string }) {
  let sum = 0
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 997
  const [initial = '?'] = name
  return (
    <span className="avatar" data-colour={sum % COLOURS} aria-hidden="true">
      {initial.toUpperCase()}
    </span>
  )
}
