// Opens a GGUF file and reads all of it: tensors, the model's configuration, the tokenizer.
#include <numeric>

#include "kvs/dequantize.h"
#include "kvs/model_files.h"
#include "kvs/tokenizer.h"
#include "property.h"
#include "support/memory_file.h"

namespace kvs::test {
namespace {

constexpr size_t kPadding = size_t{1} << 18;
constexpr int64_t kMaxElements = 1 << 16;  // of a tensor or a weight that is read

template <typename Use>
bool try_to(Use use) {
  try {
    use();
    return true;
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::format, "a damaged GGUF file is an Error(format)");
    return false;
  }
}

void read_tensor(const StoredTensor& tensor) {
  const int64_t elements =
      std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
  if (elements > kMaxElements) return;
  std::vector<float> values(static_cast<size_t>(elements));
  dequantize(tensor.type, tensor.data, elements, values.data());
}

void read_model(const std::string& path) {
  const auto model = open_model_files(path);
  (void)model->fingerprint();
  for (const WeightKind kind : all_weight_kinds()) {
    if (!has_weight(model->config(), kind)) continue;
    const WeightRows weight = model->get(kind, 0);
    if (weight.cols > kMaxElements) continue;
    std::vector<float> row(static_cast<size_t>(weight.cols));
    weight.read(0, 1, row.data());
    weight.read(weight.rows - 1, 1, row.data());
  }
}

void read_tokenizer(const GgufFile& file) {
  const auto tokenizer = Tokenizer::from_gguf(file);
  const auto tokens = tokenizer->encode("Hello, gr\u00fc\u00df 12345 dich\n\n", {});
  (void)tokenizer->decode(tokens);
}

bool read_all(std::string_view bytes) {
  const MemoryFile memory(bytes);
  const std::string path = memory.path();
  return try_to([&] {
    const GgufFile file(path);
    for (const StoredTensor& tensor : file.tensors()) read_tensor(tensor);
    try_to([&] { read_model(path); });
    try_to([&] { read_tokenizer(file); });
  });
}

}  // namespace
}  // namespace kvs::test

// Seeds without their tensors' data are small: where a file is refused, it is tried with data.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kvs::test;
  const std::string bytes(as_text(data, size));
  if (!read_all(bytes)) read_all(bytes + std::string(kPadding, '\0'));
  return 0;
}
