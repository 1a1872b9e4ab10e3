package media_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/burbn/burbn/services/media"
)

func TestTags(t *testing.T) {
	for _, tt := range []struct {
		name, caption string
		want          []string
	}{
		{"none", "First light over the bay", nil},
		{"one", "#sun", []string{"sun"}},
		{"in a sentence", "At #GoldenGate, (#fog), “#bay”.", []string{"goldengate", "fog", "bay"}},
		{"each once, in whatever case", "#Sun #sea #SUN", []string{"sun", "sea"}},
		{"one after another", "#sun#sea", []string{"sun", "sea"}},
		{"underscore and digits", "#no_filter #2026 #y2026", []string{"no_filter", "y2026"}},
		{"letters of the world", "#naïve #Москва #東京 #서울 #हिन्दी #ไทย", []string{"naïve", "москва", "東京", "서울", "हिन्दी", "ไทย"}},
		{"written in another form", "#naïve #naïve ＃ｓｕｎ", []string{"naïve", "sun"}},
		{"dotted capital", "#İstanbul", []string{"istanbul"}},
		{"emoji ends it", "#sun🌞 #🌞", []string{"sun"}},
		{"within a word", "a#b C#, №#5", nil},
		{"entity", "&#39;", nil},
		{"two signs", "##sun", nil},
		{"after a mention", "@maya#sun", nil},
		{"URL", "https://example.com/#sun http://a.b/?q=#c WWW.example.com/#d and example.com/#e, example.com#f #g", []string{"g"}},
		{"URL in parentheses", "(https://example.com/#sun) #sea", []string{"sea"}},
		{"other scheme", "see app+x://go/#sun", nil},
		{"ends with the sign", "issue #", nil},
		{"ligature that has spaces in it", "#\uFDFA", []string{"صلى"}},
		{"100 characters", "#" + strings.Repeat("é", 100), []string{strings.Repeat("é", 100)}},
		{"101 characters", "#" + strings.Repeat("é", 101), nil},
		{"not UTF-8", "#sun\xff #\xff", []string{"sun"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := media.Tags(tt.caption); !slices.Equal(got, tt.want) {
				t.Errorf("Tags(%q) = %q, want %q", tt.caption, got, tt.want)
			}
		})
	}
}

func TestMentions(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"none", "First light", nil},
		{"one", "@maya", []string{"maya"}},
		{"in a sentence", "With @Maya, (@noah_7), @j.doe.", []string{"maya", "noah_7", "j.doe"}},
		{"each once", "@maya @MAYA", []string{"maya"}},
		{"what follows", "@mayaさん @noah's", []string{"maya", "noah"}},
		{"in full width", "＠ｍａｙａ", []string{"maya"}},
		{"mail", "maya@example.com, m.k+x@example.com, x.@example.com, é@example.com", nil},
		{"other network", "@maya@example.social", nil},
		{"after a tag", "#sun@maya", nil},
		{"URL", "https://example.com/@maya www.example.com/@noah example.com/@maya ?u=@maya", nil},
		{"dots alone", "@... @", nil},
		{"30 characters", "@" + strings.Repeat("a", 30), []string{strings.Repeat("a", 30)}},
		{"31 characters", "@" + strings.Repeat("a", 31), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := media.Mentions(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("Mentions(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func FuzzCaption(f *testing.F) {
	for _, seed := range []string{
		"", "#sun#sea @maya", "##a @@b #_ #1", "https://a.b/#c www.d #e", "＃ｓｕｎ＠ｍａｙａ", "#İ #ẞ #Σς #\uFDFA #ﬁ", "a://#b", "@a.@b #a\u0345b", "\xff#\xff@",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tags, names := media.Tags(text), media.Mentions(text)
		for _, tag := range tags {
			if n := utf8.RuneCountInString(tag); n < 1 || n > 100 || !utf8.ValidString(tag) {
				t.Errorf("Tags(%q) has %q", text, tag)
			}
			if again, ok := media.FoldTag(tag); !ok || again != tag {
				t.Errorf("FoldTag(%q) = %q, %t, want itself", tag, again, ok)
			}
			if again := media.Tags("#" + tag); !slices.Equal(again, []string{tag}) {
				t.Errorf("Tags(%q) = %q", "#"+tag, again)
			}
		}
		for _, name := range names {
			if len(name) < 1 || len(name) > 30 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._") != "" {
				t.Errorf("Mentions(%q) has %q", text, name)
			}
			if again := media.Mentions("@" + name); !slices.Equal(again, []string{name}) {
				t.Errorf("Mentions(%q) = %q", "@"+name, again)
			}
		}
		for _, list := range [][]string{tags, names} {
			if slices.Sort(list); len(slices.Compact(list)) != len(list) {
				t.Errorf("%q has something twice: %q", text, list)
			}
		}
		// The compatibility form may have spaces where the text has none.
		address := "https://example.com/" + strings.Join(strings.Fields(norm.NFKC.String(text)), "")
		if tags, names := media.Tags(address), media.Mentions(address); len(tags) > 0 || len(names) > 0 {
			t.Errorf("%q and %q in %q", tags, names, address)
		}
	})
}
