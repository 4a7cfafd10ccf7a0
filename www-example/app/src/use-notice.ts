import { useCallback, useEffect, useState } from 'react'

const SHOWN_MS = 2_500

/** A sentence that goes by itself, and what says one. */
export function useNotice(): [notice: string | undefined, tell: (text: string) => void] {
  const [notice, setNotice] = useState<{ text: string }>()
  useEffect(() => {
    if (notice === undefined) return
    const timer = setTimeout(() => setNotice(undefined), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [notice])
  const tell = useCallback((text: string) => setNotice({ text }), [])
  return [notice?.text, tell]
}
