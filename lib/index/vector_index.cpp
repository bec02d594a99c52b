#include "kvs/vector_index.h"

#include <dlfcn.h>

#include "index/faiss_module.h"
#include "index/stored_vector_index.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr uint64_t kVectorMagic = 0x0a3243455653564bu;  // "KVSVEC2\n"
constexpr int kMaxDims = 65'536;

// libkvs_faiss.so, which lies beside libkvs.so.
struct FaissModule {
  decltype(&kvs_new_faiss_index) new_index = nullptr;
  std::string missing;  // why it is null
};

FaissModule load_faiss_module() {
  void* library = dlopen("libkvs_faiss.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) return {.missing = dlerror()};

  FaissModule module;
  module.new_index =
      reinterpret_cast<decltype(module.new_index)>(dlsym(library, "kvs_new_faiss_index"));
  if (!module.new_index) module.missing = "libkvs_faiss.so: of another version";
  return module;
}

const FaissModule& faiss_module() {
  static const FaissModule module = load_faiss_module();
  return module;
}

std::unique_ptr<StoredVectorIndex> new_index(int dims, const VectorFactory& factory) {
  const FaissModule& faiss = faiss_module();
  if (!faiss.new_index) fail(ErrorKind::io, "semantic search needs FAISS: {}", faiss.missing);
  return std::unique_ptr<StoredVectorIndex>(faiss.new_index(dims, &factory));
}

}  // namespace

VectorIndex::~VectorIndex() = default;

std::vector<std::byte> StoredVectorIndex::to_bytes() const {
  ByteWriter out;
  out.add(kVectorMagic);
  out.add_string(factory());
  out.add(int32_t{dims()});
  write_body(out);
  seal(out);
  return out.take();
}

std::unique_ptr<VectorIndex> make_vector_index(int dims, std::string_view factory) {
  if (dims < 1 || dims > kMaxDims)
    fail(ErrorKind::argument, "vector index: {} dimensions, expected 1 to {}", dims, kMaxDims);
  return new_index(dims, parse_vector_factory(factory, dims));
}

std::unique_ptr<VectorIndex> read_vector_index(std::span<const std::byte> bytes,
                                               std::string_view source) {
  ByteReader in(unsealed(bytes, source), source);
  if (in.get<uint64_t>() != kVectorMagic)
    fail(ErrorKind::mismatch, "{}: not a vector index of this version", source);
  const std::string factory = in.get_string();
  const auto dims = in.get<int32_t>();
  if (dims < 1 || dims > kMaxDims) in.damaged("impossible dimensions");
  std::unique_ptr<StoredVectorIndex> index;
  try {
    index = new_index(dims, parse_vector_factory(factory, dims));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::argument) in.damaged("an unknown factory");
    throw;
  }
  index->read_body(in);
  in.expect_end();
  return index;
}

}  // namespace kvs
