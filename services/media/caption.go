package media

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// How many different tags and names a caption, or a comment, may have.
const (
	MaxTags     = 30
	MaxMentions = 20
)

const (
	maxTag  = 100 // characters
	maxName = 30
)

// Tags are the tags of a caption in the form in which tags are compared, each once,
// in their order. There may be more than MaxTags.
//
//	tag  = "#" 1*100( letter / mark / digit / "_" ), of which one is no digit
//
// by Unicode's categories L, M and Nd, where no letter, mark, digit or any of _ & / @ #
// is before the "#"; except that one tag may end where the next begins: "#sun#sea". What
// is longer is no tag, nor is anything within a URL. The caption is read in the
// compatibility form (NFKC), so that "＃ｓｕｎ" is #sun.
func Tags(caption string) []string {
	var tags []string
	tokens(caption, func(sigil byte, word string) {
		if tag, ok := FoldTag(word); sigil == '#' && ok && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	})
	return tags
}

// Mentions are the names of the people mentioned in a caption or in a comment in the
// form in which names are compared, each once, in their order. There may be more than
// MaxMentions, and nobody may have the name.
//
//	mention = "@" name, where name is 1 to 30 of a-z, A-Z, 0-9, "_" and "."
//
// where no letter, mark, digit or any of _ . + - % / = & @ # is before the "@", as it is in
// addresses of mail. Dots at the end belong to the sentence, and what another "@" follows
// is no name of ours. What is longer is no mention, nor is anything within a URL.
func Mentions(text string) []string {
	var names []string
	tokens(text, func(sigil byte, word string) {
		if name := strings.ToLower(word); sigil == '@' && !slices.Contains(names, name) {
			names = append(names, name)
		}
	})
	return names
}

// FoldTag is the form in which a tag is compared, without "#": compatibility form and
// lower case. ok is false if the text is no tag.
func FoldTag(text string) (tag string, ok bool) {
	// Lower case may compose anew, and the compatibility form has letters in upper case.
	tag = norm.NFKC.String(strings.ToLower(norm.NFKC.String(text)))
	n, letters := 0, false
	for _, r := range tag {
		if !ofTag(r) {
			return "", false
		}
		n++
		letters = letters || !unicode.IsDigit(r)
	}
	return tag, letters && n <= maxTag
}

func ofTag(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

func ofName(r rune) bool {
	return r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// tokens finds what looks like a tag or a mention, in one pass.
func tokens(text string, found func(sigil byte, word string)) {
	text = norm.NFKC.String(text)
	before, tagged := ' ', false // the character before, and whether a tag ends with it
	for i := 0; i < len(text); {
		if !ofTag(before) {
			if n := urlAt(text[i:]); n > 0 {
				i += n
				before, tagged = ' ', false
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		free := !ofTag(before) && !strings.ContainsRune("&/@#", before)
		switch {
		case r == '#' && (free || tagged):
			word := leading(text[i:], ofTag)
			found('#', word)
			if tagged = word != ""; tagged {
				i += len(word)
				r, _ = utf8.DecodeLastRuneInString(word)
			}
		case r == '@' && free && !strings.ContainsRune(".+-%=", before):
			word := leading(text[i:], ofName)
			name := strings.TrimRight(word, ".")
			if tagged = false; name != "" && len(name) <= maxName && !strings.HasPrefix(text[i+len(word):], "@") {
				found('@', name)
			}
			if i += len(word); word != "" {
				r = rune(word[len(word)-1])
			}
		default:
			tagged = false
		}
		before = r
	}
}

// leading is the longest beginning of text whose characters are all of a kind.
func leading(text string, of func(rune) bool) string {
	if end := strings.IndexFunc(text, func(r rune) bool { return !of(r) }); end >= 0 {
		return text[:end]
	}
	return text
}

// urlAt is the length of the URL with which text begins; 0 if it begins with none.
func urlAt(text string) int {
	scheme := leading(text, func(r rune) bool { return ofName(r) && r != '_' || r == '+' || r == '-' })
	www := len(text) > 4 && strings.EqualFold(text[:4], "www.")
	if !www && (scheme == "" || !strings.HasPrefix(text[len(scheme):], "://")) {
		return 0
	}
	return len(leading(text, func(r rune) bool { return !unicode.IsSpace(r) }))
}
