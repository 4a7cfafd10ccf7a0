// What nothing on a page can beat.
export async function prepare() {}
