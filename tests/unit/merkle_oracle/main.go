// Proofs of RFC 6962 by an implementation that is not Paycore's: golang.org/x/mod/sumdb/tlog, which the Go checksum
// database uses. tests/unit/test_merkle.py compares Paycore's with them.
//
//	cd tests/unit/merkle_oracle && go run . > vectors.json
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log"
	"math/rand"
	"os"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	allUpTo = 300
	largest = 70_001
)

// small has all proofs of a tree: the SHA-256 over each proof's length in one byte and its hashes, by index and by old size.
type small struct {
	Size        int64  `json:"size"`
	Root        string `json:"root"`
	Inclusion   string `json:"inclusion"`
	Consistency string `json:"consistency"`
}

// large has some proofs of a tree, whole.
type large struct {
	Size        int64             `json:"size"`
	Root        string            `json:"root"`
	Inclusion   map[string]string `json:"inclusion"`
	Consistency map[string]string `json:"consistency"`
}

type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for place, index := range indexes {
		found[place] = s[index]
	}
	return found, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func joined(hashes []tlog.Hash) []byte {
	var all []byte
	for _, hash := range hashes {
		all = append(all, hash[:]...)
	}
	return all
}

func main() {
	var hashes stored
	for n := int64(0); n < largest; n++ {
		// The data of leaf 12 is "12".
		hashes = append(hashes, must(tlog.StoredHashes(n, []byte(strconv.FormatInt(n, 10)), hashes))...)
	}
	root := func(size int64) string {
		hash := must(tlog.TreeHash(size, hashes))
		return hex.EncodeToString(hash[:])
	}
	inclusion := func(size, index int64) []byte { return joined(must(tlog.ProveRecord(size, index, hashes))) }
	consistency := func(size, old int64) []byte { return joined(must(tlog.ProveTree(size, old, hashes))) }

	var smalls []small
	for size := int64(1); size <= allUpTo; size++ {
		included, extended := sha256.New(), sha256.New()
		for index := int64(0); index < size; index++ {
			proof := inclusion(size, index)
			included.Write(append([]byte{byte(len(proof) / tlog.HashSize)}, proof...))
			proof = consistency(size, index+1)
			extended.Write(append([]byte{byte(len(proof) / tlog.HashSize)}, proof...))
		}
		smalls = append(smalls, small{size, root(size), hex.EncodeToString(included.Sum(nil)), hex.EncodeToString(extended.Sum(nil))})
	}

	chance := rand.New(rand.NewSource(1))
	var larges []large
	for _, size := range []int64{1_000, 20_011, 65_535, 65_536, 65_537, 65_793, largest} {
		one := large{size, root(size), map[string]string{}, map[string]string{}}
		for range 4 {
			index := chance.Int63n(size)
			one.Inclusion[strconv.FormatInt(index, 10)] = hex.EncodeToString(inclusion(size, index))
			one.Consistency[strconv.FormatInt(index+1, 10)] = hex.EncodeToString(consistency(size, index+1))
		}
		larges = append(larges, one)
	}

	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	must(0, encoder.Encode(map[string]any{"small": smalls, "large": larges}))
}
