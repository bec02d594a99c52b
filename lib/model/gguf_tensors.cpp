#include "model/gguf_tensors.h"

#include <array>
#include <utility>

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr uint32_t kMaxGgufRank = 4;

struct TypeName {
  uint32_t number;
  std::string_view name;
};

constexpr std::array<std::pair<uint32_t, TensorType>, 11> kTensorTypes{{{0, TensorType::f32},
                                                                        {1, TensorType::f16},
                                                                        {30, TensorType::bf16},
                                                                        {8, TensorType::q8_0},
                                                                        {2, TensorType::q4_0},
                                                                        {3, TensorType::q4_1},
                                                                        {6, TensorType::q5_0},
                                                                        {7, TensorType::q5_1},
                                                                        {12, TensorType::q4_k},
                                                                        {13, TensorType::q5_k},
                                                                        {14, TensorType::q6_k}}};

// Types that files have but this program cannot read, so that the message names them.
constexpr std::array<TypeName, 25> kUnreadable{
    {{4, "q4_2"},    {5, "q4_3"},     {9, "q8_1"},    {10, "q2_k"},    {11, "q3_k"},
     {15, "q8_k"},   {16, "iq2_xxs"}, {17, "iq2_xs"}, {18, "iq3_xxs"}, {19, "iq1_s"},
     {20, "iq4_nl"}, {21, "iq3_s"},   {22, "iq2_s"},  {23, "iq4_xs"},  {24, "i8"},
     {25, "i16"},    {26, "i32"},     {27, "i64"},    {28, "f64"},     {29, "iq1_m"},
     {34, "tq1_0"},  {35, "tq2_0"},   {39, "mxfp4"},  {40, "nvfp4"},   {41, "q1_0"}}};

TensorType tensor_type(uint32_t number, std::string_view what, const std::string& path) {
  for (const auto& [known, type] : kTensorTypes)
    if (known == number) return type;
  std::string_view name = "unknown";
  for (const TypeName& type : kUnreadable)
    if (type.number == number) name = type.name;
  fail(ErrorKind::format,
       "{}: {} has type {} ({}), expected f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k "
       "or q6_k",
       path, what, name, number);
}

std::vector<int64_t> read_shape(GgufReader& reader, const std::string& what,
                                const std::string& path) {
  const auto rank = reader.read<uint32_t>(what);
  if (rank == 0 || rank > kMaxGgufRank)
    fail(ErrorKind::format, "{}: {} has {} dimensions, expected 1 to {}", path, what, rank,
         kMaxGgufRank);
  std::vector<int64_t> shape(rank);
  int64_t elements = 1;
  for (uint32_t axis = rank; axis-- > 0;) {  // innermost first in the file
    const auto extent = static_cast<int64_t>(reader.read<uint64_t>(what));
    const std::optional<int64_t> product = find_product(elements, extent);
    if (extent < 1 || !product)
      fail(ErrorKind::format,
           "{}: {} has an extent of {}, expected at least 1 and a product below 2^63", path, what,
           static_cast<uint64_t>(extent));
    elements = *product;
    shape[axis] = extent;
  }
  return shape;
}

// The bytes of a tensor whose rows are whole blocks.
int64_t read_tensor_bytes(const StoredTensor& tensor, const std::string& what,
                          const std::string& path) {
  int64_t rows = 1;  // at most the elements, whose product was checked
  for (size_t axis = 0; axis + 1 < tensor.shape.size(); ++axis) rows *= tensor.shape[axis];
  const BlockSize block = block_size(tensor.type);
  if (tensor.shape.back() % block.elements != 0)
    fail(ErrorKind::format, "{}: {} has rows of {} elements, expected a multiple of {} for type {}",
         path, what, tensor.shape.back(), block.elements, tensor_type_name(tensor.type));
  const std::optional<int64_t> bytes = find_tensor_bytes(tensor.type, rows * tensor.shape.back());
  if (!bytes) fail(ErrorKind::format, "{}: {} has over 2^63 bytes", path, what);
  return *bytes;
}

GgufTensorTable::Entry read_entry(GgufReader& reader, const std::string& path) {
  GgufTensorTable::Entry entry;
  StoredTensor& tensor = entry.tensor;
  tensor.name = reader.read_string("a tensor name");
  const std::string what = "tensor '" + printable(tensor.name) + "'";
  tensor.shape = read_shape(reader, what, path);
  tensor.type = tensor_type(reader.read<uint32_t>(what), what, path);
  tensor.bytes = read_tensor_bytes(tensor, what, path);
  entry.offset = reader.read<uint64_t>(what);
  return entry;
}

}  // namespace

GgufTensorTable::GgufTensorTable(GgufReader& reader, uint64_t count, const std::string& path)
    : path_(path) {
  entries_.reserve(count);
  for (uint64_t at = 0; at < count; ++at) entries_.push_back(read_entry(reader, path));
}

std::vector<StoredTensor> GgufTensorTable::place(std::span<const std::byte> data,
                                                 int64_t alignment) {
  std::vector<StoredTensor> tensors;
  tensors.reserve(entries_.size());
  for (Entry& entry : entries_) {
    StoredTensor& tensor = entry.tensor;
    if (entry.offset % static_cast<uint64_t>(alignment) != 0)
      fail(ErrorKind::format, "{}: tensor '{}' starts at offset {}, expected a multiple of {}",
           path_, printable(tensor.name), entry.offset, alignment);
    if (entry.offset > data.size() ||
        static_cast<uint64_t>(tensor.bytes) > data.size() - entry.offset)
      fail(ErrorKind::format,
           "{}: truncated in tensor '{}': expected {} bytes at offset {} of the data, found {} "
           "bytes "
           "of data",
           path_, printable(tensor.name), tensor.bytes, entry.offset, data.size());
    tensor.data = data.data() + entry.offset;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace kvs
