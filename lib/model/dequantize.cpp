#include "kvs/dequantize.h"

#include <array>
#include <cassert>
#include <cstring>

#include "base/half.h"

namespace kvs {
namespace {

// Blocks are packed without padding and start anywhere, hence bytes and memcpy throughout.
uint8_t byte_at(const std::byte* data, int at) {
  return std::to_integer<uint8_t>(data[at]);
}

int low(uint8_t byte) {
  return byte & 15;
}
int high(uint8_t byte) {
  return byte >> 4;
}

float scale_at(const std::byte* data) {
  uint16_t half = 0;
  std::memcpy(&half, data, sizeof half);
  return f16_to_f32(half);
}

// d: f16; 32 x int8
void decode_q8_0(const std::byte* block, float* out) {
  const float d = scale_at(block);
  for (int at = 0; at < 32; ++at) out[at] = d * static_cast<int8_t>(byte_at(block, 2 + at));
}

// d: f16; 16 bytes, whose low nibbles are elements 0 to 15 and whose high ones 16 to 31
void decode_q4_0(const std::byte* block, float* out) {
  const float d = scale_at(block);
  for (int at = 0; at < 16; ++at) {
    const uint8_t pair = byte_at(block, 2 + at);
    out[at] = d * static_cast<float>(low(pair) - 8);
    out[at + 16] = d * static_cast<float>(high(pair) - 8);
  }
}

// d, m: f16; nibbles as in q4_0
void decode_q4_1(const std::byte* block, float* out) {
  const float d = scale_at(block);
  const float m = scale_at(block + 2);
  for (int at = 0; at < 16; ++at) {
    const uint8_t pair = byte_at(block, 4 + at);
    out[at] = d * static_cast<float>(low(pair)) + m;
    out[at + 16] = d * static_cast<float>(high(pair)) + m;
  }
}

// The 5-bit numbers of q5_0 and q5_1: 32 fifth bits, then nibbles as in q4_0.
std::array<float, 32> decode_five_bits(const std::byte* data) {
  uint32_t fifth = 0;
  std::memcpy(&fifth, data, sizeof fifth);
  std::array<float, 32> numbers{};
  for (int at = 0; at < 16; ++at) {
    const uint8_t pair = byte_at(data, 4 + at);
    numbers[at] = static_cast<float>(low(pair) | static_cast<int>((fifth >> at & 1U) << 4));
    numbers[at + 16] =
        static_cast<float>(high(pair) | static_cast<int>((fifth >> (at + 16) & 1U) << 4));
  }
  return numbers;
}

void decode_q5_0(const std::byte* block, float* out) {
  const float d = scale_at(block);
  const std::array<float, 32> numbers = decode_five_bits(block + 2);
  for (int at = 0; at < 32; ++at) out[at] = d * (numbers[at] - 16.0F);
}

void decode_q5_1(const std::byte* block, float* out) {
  const float d = scale_at(block);
  const float m = scale_at(block + 2);
  const std::array<float, 32> numbers = decode_five_bits(block + 4);
  for (int at = 0; at < 32; ++at) out[at] = d * numbers[at] + m;
}

// One of the eight groups of 32 elements of q4_k and q5_k: number * scale - minimum.
struct Group {
  float scale;
  float minimum;
};

// d, dmin: f16; 8 scales and 8 minima of 6 bits in 12 bytes. The last four of each have their upper
// two bits in the unused upper bits of the first four.
Group group_of(const std::byte* block, int group) {
  const std::byte* packed = block + 4;
  int scale = byte_at(packed, group) & 63;
  int minimum = byte_at(packed, group + 4) & 63;
  if (group >= 4) {
    const uint8_t pair = byte_at(packed, group + 4);
    scale = low(pair) | byte_at(packed, group - 4) >> 6 << 4;
    minimum = high(pair) | byte_at(packed, group) >> 6 << 4;
  }
  return {scale_at(block) * static_cast<float>(scale),
          scale_at(block + 2) * static_cast<float>(minimum)};
}

// header of 16 bytes; 4 x 32 bytes, whose low nibbles are one group and whose high ones the next
void decode_q4_k(const std::byte* block, float* out) {
  for (int pair = 0; pair < 4; ++pair) {
    const Group first = group_of(block, 2 * pair);
    const Group second = group_of(block, 2 * pair + 1);
    const std::byte* nibbles = block + 16 + ptrdiff_t{32} * pair;
    float* first_out = out + ptrdiff_t{64} * pair;
    for (int at = 0; at < 32; ++at) {
      const uint8_t both = byte_at(nibbles, at);
      first_out[at] = first.scale * static_cast<float>(low(both)) - first.minimum;
      first_out[32 + at] = second.scale * static_cast<float>(high(both)) - second.minimum;
    }
  }
}

// header of 16 bytes; 32 bytes, bit g of byte i is the fifth bit of element i of group g; nibbles
// as in q4_k
void decode_q5_k(const std::byte* block, float* out) {
  const std::byte* fifth = block + 16;
  for (int group = 0; group < 8; ++group) {
    const Group g = group_of(block, group);
    const std::byte* nibbles = block + 48 + ptrdiff_t{32} * (group / 2);
    for (int at = 0; at < 32; ++at) {
      const int nibble = byte_at(nibbles, at) >> 4 * (group % 2) & 15;
      const int number = nibble | (byte_at(fifth, at) >> group & 1) << 4;
      out[32 * group + at] = g.scale * static_cast<float>(number) - g.minimum;
    }
  }
}

// 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 x int8 scales, d: f16. Each half of 128
// elements is four runs of 32, each two groups of 16 with a scale: run r has its nibbles in bytes
// 32 * (r % 2) on, low ones for r < 2, and its upper bits in pair r of 32 bytes.
void decode_q6_k(const std::byte* block, float* out) {
  const float d = scale_at(block + 208);
  for (int group = 0; group < 16; ++group) {
    const int half = group / 8;
    const int run = group / 2 % 4;
    const int first = group % 2 * 16;
    const int nibbles_at = 64 * half + run % 2 * 32 + first;
    const int upper_at = 128 + 32 * half + first;
    const std::byte* nibbles = block + nibbles_at;
    const std::byte* upper = block + upper_at;
    const float scale = d * static_cast<float>(static_cast<int8_t>(byte_at(block, 192 + group)));
    for (int at = 0; at < 16; ++at) {
      const int nibble = byte_at(nibbles, at) >> run / 2 * 4 & 15;
      const int number = (nibble | (byte_at(upper, at) >> 2 * run & 3) << 4) - 32;
      out[16 * group + at] = scale * static_cast<float>(number);
    }
  }
}

void decode_f16(const std::byte* data, int64_t count, float* out) {
  for (int64_t at = 0; at < count; ++at) out[at] = scale_at(data + 2 * at);
}

void decode_bf16(const std::byte* data, int64_t count, float* out) {
  for (int64_t at = 0; at < count; ++at) {
    uint16_t half = 0;
    std::memcpy(&half, data + 2 * at, sizeof half);
    out[at] = bf16_to_f32(half);
  }
}

template <typename Decode>
void decode_blocks(TensorType type, const std::byte* blocks, int64_t count, float* out,
                   Decode decode) {
  const BlockSize size = block_size(type);
  assert(count % size.elements == 0);
  for (int64_t block = 0; block < count / size.elements; ++block)
    decode(blocks + block * size.bytes, out + block * size.elements);
}

}  // namespace

void dequantize(TensorType type, const std::byte* blocks, int64_t count, float* out) {
  if (count == 0) return;  // memcpy takes no null pointers
  const auto decode = [&](auto function) { decode_blocks(type, blocks, count, out, function); };
  switch (type) {
    case TensorType::f32:
      std::memcpy(out, blocks, count * sizeof(float));
      break;
    case TensorType::f16:
      decode_f16(blocks, count, out);
      break;
    case TensorType::bf16:
      decode_bf16(blocks, count, out);
      break;
    case TensorType::q8_0:
      decode(decode_q8_0);
      break;
    case TensorType::q4_0:
      decode(decode_q4_0);
      break;
    case TensorType::q4_1:
      decode(decode_q4_1);
      break;
    case TensorType::q5_0:
      decode(decode_q5_0);
      break;
    case TensorType::q5_1:
      decode(decode_q5_1);
      break;
    case TensorType::q4_k:
      decode(decode_q4_k);
      break;
    case TensorType::q5_k:
      decode(decode_q5_k);
      break;
    case TensorType::q6_k:
      decode(decode_q6_k);
      break;
  }
}

}  // namespace kvs
