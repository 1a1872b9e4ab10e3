// Package media knows photos: their objects in storage, how their renditions
// (package rendition) are made, and (Map) whose each one is.
//
// It deliberately keeps no row: what a photo's state is, and who may see it, is
// the store's. No photo byte passes through it on behalf of a phone: phones talk
// to object storage with a signature, and to the CDN.
package media
