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

// clang-format counts the bytes of these letters and never comes to rest.
// clang-format off
// The cased letters that DeepSeek LLM splits on, as its tokenizer.json lists them.
constexpr const char* kDeepseekLetters =
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-"
    "ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-"
    "Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-"
    "ꝯꝱ-ꞇꞋ-"
    "ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]"
    "+";
// clang-format on
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
