import type { ChatMessage } from 'chopped-chat/inbox'

const ONE = 'm3 8.5 3.2 3L13 5'
const TWO = 'M1 8.7 4 11.5 10 5M7.6 11 8.1 11.5 15 5'
const LOOKS: Record<ChatMessage['status'], [name: string, path: string]> = {
  sending: ['Sending', 'M8 4.5V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z'],
  sent: ['Sent', ONE],
  delivered: ['Delivered', TWO],
  read: ['Read', TWO],
  error: ['Not sent', 'M8 4v5m0 2.6v.2M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z'],
}

/** How far an own message has come: a clock, one tick, two, two in colour. */
export function Ticks({ status }: Pick<ChatMessage, 'status'>) {
  const [name, path] = LOOKS[status]
  return (
    <svg className="ticks" data-receipt={status} viewBox="0 0 16 16" role="img" aria-label={name}>
      <path d={path} />
    </svg>
  )
}
