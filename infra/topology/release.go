package topology

// Build is the release of the checkout that deploys.
const Build = "build"

// Pinned says that the fleets run an earlier release than the checkout's.
func (c Cloud) Pinned() bool { return c.Release != Build }
