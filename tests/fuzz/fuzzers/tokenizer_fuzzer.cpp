// Reads a tokenizer.json and uses it on a few texts.
#include <memory>

#include "kvs/error.h"
#include "kvs/tokenizer.h"
#include "property.h"
#include "support/memory_file.h"

namespace kvs::test {
namespace {

constexpr std::string_view kTexts[] = {"", "Hello, World! 12345  don't\n\n\t x",
                                       "gr\u00fc\u00df dich \u4f60\u597d \U0001f600e\u0301",
                                       "<s>[CLS] a b<|im_start|>user\r\n</s>[MASK] "};

// A pattern of the file may give up on a text; nothing else may fail on well-formed UTF-8.
void use(const Tokenizer& tokenizer, std::string_view text, bool special) {
  const auto tokens = tokenizer.encode(text, {.add_special = special, .parse_special = special});
  const std::string decoded = tokenizer.decode(tokens, special);
  Detokenizer detokenizer(tokenizer, special);
  std::string streamed;
  for (const int32_t token : tokens) {
    streamed += detokenizer.push(token);
    (void)tokenizer.token_text(token);
    (void)tokenizer.token_bytes(token);
  }
  streamed += detokenizer.finish();
  require(streamed == decoded, "a Detokenizer gives what decode() gives");
}

}  // namespace
}  // namespace kvs::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kvs::test;
  const MemoryFile memory(as_text(data, size));
  try {
    const auto tokenizer = kvs::Tokenizer::from_json(memory.path());
    for (const std::string_view text : kTexts)
      for (const bool special : {false, true}) use(*tokenizer, text, special);
    (void)tokenizer->hash();
  } catch (const kvs::Error& error) {
    require(error.kind() == kvs::ErrorKind::format, "a damaged file is an Error(format)");
  }
  return 0;
}
