package kv

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// keysOfSlot is how many keys of one slot are looked at. A slot has one in 16,384 of all.
const keysOfSlot = 1_000_000

// DeleteTagged deletes every key whose name contains {tag}, whatever else it is called:
// the braces put all of them into one slot. It may be repeated.
func DeleteTagged(ctx context.Context, c *redis.ClusterClient, tag string) error {
	tag = "{" + tag + "}"
	if err := deleteTagged(ctx, c, tag); err != nil {
		return fmt.Errorf("delete keys of %s: %w", tag, err)
	}
	return nil
}

func deleteTagged(ctx context.Context, c *redis.ClusterClient, tag string) error {
	node, err := c.MasterForKey(ctx, tag)
	if err != nil {
		return err
	}
	slot, err := node.ClusterKeySlot(ctx, tag).Result()
	if err != nil {
		return err
	}
	keys, err := node.ClusterGetKeysInSlot(ctx, int(slot), keysOfSlot).Result()
	if err != nil {
		return err
	}
	pipe := node.Pipeline()
	for _, k := range keys {
		if strings.Contains(k, tag) {
			pipe.Unlink(ctx, k)
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	_, err = pipe.Exec(ctx)
	return err
}
