#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace kvs {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The bytes of the sequence that `lead` opens, or 0 where it opens none.
int sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// The second byte is what tells overlong forms, surrogates and values above U+10FFFF apart.
bool is_second(unsigned char lead, unsigned char byte) {
  if (lead == 0xE0) return byte >= 0xA0 && byte <= 0xBF;
  if (lead == 0xED) return byte >= 0x80 && byte <= 0x9F;
  if (lead == 0xF0) return byte >= 0x90 && byte <= 0xBF;
  if (lead == 0xF4) return byte >= 0x80 && byte <= 0x8F;
  return byte >= 0x80 && byte <= 0xBF;
}

bool is_continuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

bool is_sequence(const unsigned char* bytes, int length) {
  if (length > 1 && !is_second(bytes[0], bytes[1])) return false;
  for (int index = 2; index < length; ++index)
    if (!is_continuation(bytes[index])) return false;
  return true;
}

bool is_ascii_block(const char* bytes) {
  uint64_t block;
  std::memcpy(&block, bytes, sizeof block);
  return (block & 0x8080808080808080U) == 0;
}

}  // namespace

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t at = 0;
  while (at < text.size()) {
    if (at + 8 <= text.size() && is_ascii_block(text.data() + at)) {
      at += 8;
      continue;
    }
    const int length = sequence_length(bytes[at]);
    if (length == 0 || at + length > text.size() || !is_sequence(bytes + at, length)) return at;
    at += length;
  }
  return std::nullopt;
}

CodePoint code_point_at(std::string_view text, size_t at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data()) + at;
  const char32_t lead = bytes[0];
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (bytes[1] & 0x3FU), 2};
  if (lead < 0xF0) return {(lead & 0xF) << 12 | (bytes[1] & 0x3FU) << 6 | (bytes[2] & 0x3FU), 3};
  return {
      (lead & 7) << 18 | (bytes[1] & 0x3FU) << 12 | (bytes[2] & 0x3FU) << 6 | (bytes[3] & 0x3FU),
      4};
}

CodePoint code_point_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && is_continuation(static_cast<unsigned char>(text[at]))) --at;
  return code_point_at(text, at);
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

void Utf8Assembler::push(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) push_byte(static_cast<unsigned char>(byte), out);
}

void Utf8Assembler::push_byte(unsigned char byte, std::string& out) {
  if (!pending_.empty()) {
    const auto lead = static_cast<unsigned char>(pending_[0]);
    const bool fits = pending_.size() == 1 ? is_second(lead, byte) : is_continuation(byte);
    if (fits) {
      pending_ += static_cast<char>(byte);
      if (static_cast<int>(pending_.size()) < sequence_length(lead)) return;
      out += pending_;
      pending_.clear();
      return;
    }
    finish(out);
  }
  const int length = sequence_length(byte);
  if (length == 1)
    out += static_cast<char>(byte);
  else if (length == 0)
    out += kReplacement;
  else
    pending_ = static_cast<char>(byte);
}

void Utf8Assembler::finish(std::string& out) {
  if (!pending_.empty()) out += kReplacement;
  pending_.clear();
}

}  // namespace kvs
