#include "model/gguf_pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepseek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The cased letters that DeepSeek LLM splits on, as its tokenizer.json lists them. By number: some
// of them are not NFC, and would not survive every editor.
constexpr const char* kDeepseekLetters =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293})"
    R"(\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386})"
    R"(\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F})"
    R"(\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA})"
    R"(\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15})"
    R"(\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B})"
    R"(\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})"
    R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4})"
    R"(\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124})"
    R"(\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F})"
    R"(\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4})"
    R"(\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F})"
    R"(\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17})"
    R"(\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943}]+)";
constexpr const char* kDeepseekPunctuation = "\\s?[!-/:-~！-／：-～‘-‟　-。]+";
constexpr const char* kDeepseekCjk = "[一-龥ࠀ-一가-퟿]+";

Json object(std::initializer_list<Json::Member> members) {
  return Json(Json::Object(members));
}

Json split(const char* regex) {
  return object({{"type", "Split"},
                 {"pattern", object({{"Regex", regex}})},
                 {"behavior", "Isolated"},
                 {"invert", false}});
}

Json digits(bool individual) {
  return object({{"type", "Digits"}, {"individual_digits", individual}});
}

Json byte_level(bool use_regex) {
  return object({{"type", "ByteLevel"},
                 {"add_prefix_space", false},
                 {"trim_offsets", true},
                 {"use_regex", use_regex}});
}

Json sequence(std::initializer_list<Json> steps) {
  return object({{"type", "Sequence"}, {"pretokenizers", Json(Json::Array(steps))}});
}

Json split_sequence(const char* regex) {
  return sequence({split(regex), byte_level(false)});
}

Json deepseek(std::initializer_list<const char*> regexes) {
  Json::Array steps;
  for (const char* regex : regexes) steps.push_back(split(regex));
  steps.push_back(digits(true));
  steps.push_back(byte_level(false));
  return object({{"type", "Sequence"}, {"pretokenizers", Json(std::move(steps))}});
}

Json falcon() {
  return sequence({object({{"type", "Punctuation"}, {"behavior", "Contiguous"}}), byte_level(true),
                   digits(false), split("[0-9][0-9][0-9]")});
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view source) {
  const Json nfc = object({{"type", "NFC"}});
  if (is_one_of(name, {"gpt-2", "mpt", "olmo", "jais"})) return {{}, byte_level(true)};
  if (is_one_of(name, {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"}))
    return {{}, sequence({digits(true), byte_level(true)})};
  if (is_one_of(name, {"llama-bpe", "llama-v3", "llama3"}))
    return {{}, split_sequence(kLlama3), true, true};
  if (is_one_of(name, {"smaug-bpe", "dbrx"})) return {{}, split_sequence(kLlama3)};
  if (is_one_of(name, {"qwen2", "deepseek-r1-qwen"})) return {nfc, split_sequence(kQwen2)};
  if (name == "stablelm2") return {{}, split_sequence(kQwen2)};
  if (name == "tekken") return {{}, split_sequence(kTekken), true, true};
  if (name == "falcon") return {{}, falcon()};
  if (name == "deepseek-llm")
    return {{},
            deepseek({"[\r\n]", kDeepseekLetters, kDeepseekPunctuation, "\\s+$", kDeepseekCjk})};
  if (name == "deepseek-coder")
    return {{}, deepseek({"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", kDeepseekCjk})};
  if (name == "deepseek-v3")
    return {{},
            sequence({split(R"(\p{N}{1,3})"), split("[一-龥぀-ゟ゠-ヿ]+"), split(kDeepseek3),
                      byte_level(false)})};
  if (name == "default")
    return {
        {},
        sequence(
            {split(R"([\p{P}\$\+<=>\^~\|]+)"),
             split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"),
             split(R"(\p{N}+)"), split("[0-9][0-9][0-9]"), byte_level(false)})};
  fail(ErrorKind::format, "{}: pre-tokenizer '{}' is not known", source, printable(name));
}

}  // namespace kvs
