// Package id holds the 64-bit identifier that every user, photo, session and
// upload carries.
//
// An ID is made inside PostgreSQL (next_id() of each logical shard's schema) and
// says by itself when it was made and on which logical shard its row lives:
//
//	63              22            9          0
//	+---------------+-------------+-----------+
//	| 41 bits of ms | 13 of shard | 10 of seq |
//	+---------------+-------------+-----------+
//
// The highest bit of the time is also the sign of a bigint and stays 0, which
// leaves 40 bits, or 34 years. Ids sort by time. This package makes no ids of its own.
package id

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	ShardBits    = 13
	SequenceBits = 10
	timeShift    = ShardBits + SequenceBits

	// MaxShard is the highest logical shard number that an ID can carry.
	MaxShard = 1<<ShardBits - 1
)

// Epoch is the instant from which the milliseconds of an ID count; they last
// until November 2060. The migrations carry the same instant.
var Epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// ErrMalformed says that a text is not an ID.
var ErrMalformed = errors.New("not an id: accepted is a positive decimal number of at most 19 digits")

// ID identifies a row and its logical shard. In JSON it is a string, because
// JavaScript numbers hold only 53 bits. The zero ID identifies nothing.
type ID int64

// Make assembles an ID from its parts. Production ids come from PostgreSQL; this
// is for tests and for range bounds ("everything since").
func Make(at time.Time, shard uint16, sequence uint16) ID {
	ms := at.Sub(Epoch).Milliseconds()
	return ID(ms<<timeShift | int64(shard&MaxShard)<<SequenceBits | int64(sequence)&(1<<SequenceBits-1))
}

// Parse reads the decimal text of an ID: digits only, no sign, no leading zero.
func Parse(s string) (ID, error) {
	if s == "" || len(s) > 19 || s[0] < '1' || s[0] > '9' {
		return 0, ErrMalformed
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, ErrMalformed
	}
	return ID(n), nil
}

// Shard is the number of the logical shard that holds the row.
func (i ID) Shard() uint16 { return uint16(i >> SequenceBits & MaxShard) }

// Time is when the ID was made, to the millisecond.
func (i ID) Time() time.Time {
	return Epoch.Add(time.Duration(i>>timeShift) * time.Millisecond)
}

func (i ID) String() string { return strconv.FormatInt(int64(i), 10) }

// MarshalText makes an ID a string in JSON, also as the key of an object.
func (i ID) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(i), 10), nil }

// UnmarshalText accepts what Parse accepts.
func (i *ID) UnmarshalText(b []byte) (err error) {
	*i, err = Parse(string(b))
	return err
}

// Value and Scan carry an ID to and from a bigint column.
func (i ID) Value() (driver.Value, error) { return int64(i), nil }

func (i *ID) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan %T into an id: accepted is int64", src)
	}
	*i = ID(n)
	return nil
}
