/** "Chopped", cut once across. */
export function Wordmark() {
  return (
    <span className="wordmark" role="img" aria-label="Chopped">
      <span aria-hidden="true">Chopped</span>
      <span aria-hidden="true">Chopped</span>
    </span>
  )
}
