import type { Chat } from 'chopped-chat/inbox/react'
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { errorText } from './error-text.ts'

const HIGHLIGHT_MS = 2_000

/**
 * What goes to a message, wherever it is, and the number of the one that was gone to just now.
 *
 * @param show brings a message that is drawn into view
 * @param onProblem hears why it can't be gone to
 */
export function useJump({ jumpTo, messages }: Pick<Chat, 'jumpTo' | 'messages'>, show: (seq: number) => void, onProblem: (text: string) => void) {
  const [target, setTarget] = useState<{ seq: number }>()
  const shown = useRef<{ seq: number }>(undefined)

  const jump = useCallback(
    (seq: number) => {
      jumpTo(seq).then(
        () => setTarget({ seq }),
        (error: unknown) => onProblem(errorText(error)),
      )
    },
    [jumpTo, onProblem],
  )

  // It is loaded, and drawn with this render or a later one.
  useLayoutEffect(() => {
    if (target === undefined || shown.current === target || !messages.some(({ seq }) => seq === target.seq)) return
    shown.current = target
    show(target.seq)
  }, [target, messages, show])

  useEffect(() => {
    if (target === undefined) return
    const timer = setTimeout(() => setTarget(undefined), HIGHLIGHT_MS)
    return () => clearTimeout(timer)
  }, [target])

  return { jump, highlighted: target?.seq }
}
