import type { NextConfig } from 'next'

const config: NextConfig = {
  poweredByHeader: false,
  // Without it Next looks for a lock file above this folder and watches the whole repository.
  turbopack: { root: import.meta.dirname },
}

export default config
