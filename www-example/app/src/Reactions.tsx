import type { ChatMessage } from 'chopped-chat/inbox'

interface Props {
  message: ChatMessage
  otherName: string
  onReact: (id: string, emoji: string | null) => void
}

/** The reactions below a bubble. A tap on one joins in, or takes the own one back. */
export function Reactions({ message: { id, reactions }, otherName, onReact }: Props) {
  const { me, them } = reactions
  const emoji = [...new Set([them, me])].filter((one) => one !== null)
  if (emoji.length === 0) return null
  return (
    <ul className="reactions" aria-label="Reactions" data-testid="reactions">
      {emoji.map((one) => {
        const by = [one === me && 'you', one === them && otherName].filter((name) => name !== false)
        return (
          <li key={one}>
            <button type="button" aria-pressed={one === me} aria-label={`${one} by ${by.join(' and ')}`} onClick={() => onReact(id, one === me ? null : one)}>
              {one}
              {by.length > 1 && <span>{by.length}</span>}
            </button>
          </li>
        )
      })}
    </ul>
  )
}
