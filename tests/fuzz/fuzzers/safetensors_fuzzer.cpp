// Opens a safetensors file and looks at all of its tensors.
#include <cstring>
#include <random>

#include "model/safetensors.h"
#include "property.h"
#include "support/memory_file.h"
#include "support/model_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kvs::test;
  const MemoryFile memory(as_text(data, size));
  try {
    const kvs::SafetensorsFile file(memory.path());
    unsigned sum = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      require(file.find_tensor(name) == &tensor, "a tensor is found by its name");
      for (int64_t at = 0; at < tensor.bytes; ++at)
        sum += std::to_integer<unsigned>(tensor.data[at]);
    }
    require(sum <= 255 * size, "tensors do not overlap");
  } catch (const kvs::Error& error) {
    require(error.kind() == kvs::ErrorKind::format, "a damaged file is an Error(format)");
  }
  return 0;
}

// Keeps the length in front of the header true, in three of four cases.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  using namespace kvs::test;
  std::minstd_rand random(seed);
  uint64_t length = 0;
  if (size >= sizeof length) std::memcpy(&length, data, sizeof length);
  if (random() % 4 == 0 || size < sizeof length || length > size - sizeof length)
    return LLVMFuzzerMutate(data, size, max_size);
  std::string header(as_text(data + sizeof length, length));
  std::string tensors(as_text(data + sizeof length + length, size - sizeof length - length));
  if (random() % 8 == 0)
    tensors.resize(random() % 64);
  else
    header = mutate(std::move(header), max_size);
  const std::string file = safetensors_bytes(header, tensors);
  if (file.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  file.copy(reinterpret_cast<char*>(data), file.size());
  return file.size();
}
