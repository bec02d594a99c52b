#include "model/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace kvs {
namespace {

constexpr size_t kChars = 0x144;  // one more than the highest character of the alphabet

struct Alphabet {
  std::array<std::string, 256> chars;
  std::array<int16_t, kChars> bytes;

  Alphabet() {
    bytes.fill(-1);
    char32_t spare = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const char32_t code_point = visible ? static_cast<char32_t>(byte) : spare++;
      append_utf8(chars[byte], code_point);
      bytes[code_point] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

void append_byte_chars(std::string& out, std::string_view bytes) {
  const Alphabet& table = alphabet();
  for (const char byte : bytes) out += table.chars[static_cast<unsigned char>(byte)];
}

std::string bytes_of_chars(std::string_view text) {
  const Alphabet& table = alphabet();
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const CodePoint next = code_point_at(text, at);
    if (next.value >= kChars || table.bytes[next.value] < 0) return std::string(text);
    out += static_cast<char>(table.bytes[next.value]);
    at += next.bytes;
  }
  return out;
}

}  // namespace kvs
