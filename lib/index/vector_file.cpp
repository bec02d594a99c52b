#include "index/vector_file.h"

#include "index/byte_stream.h"

namespace kvs {
namespace {

constexpr uint64_t kMagic = 0x0a3143455653564bu;  // "KVSVEC1\n"
constexpr int kMaxDims = 65'536;

}  // namespace

std::vector<std::byte> write_vectors(const VectorFile& file) {
  ByteWriter out;
  out.add(kMagic);
  out.add_string(file.factory);
  out.add(int32_t{file.dims});
  out.add_array(std::span(file.vectors));
  seal(out);
  return out.take();
}

VectorFile read_vectors(std::span<const std::byte> bytes, std::string_view source) {
  ByteReader in(unsealed(bytes, source), source);
  if (in.get<uint64_t>() != kMagic)
    fail(ErrorKind::mismatch, "{}: not a vector index of this version", source);
  VectorFile file;
  file.factory = in.get_string();
  file.dims = in.get<int32_t>();
  file.vectors = in.get_array<float>();
  if (file.dims < 1 || file.dims > kMaxDims || file.vectors.size() % file.dims != 0)
    in.damaged("impossible dimensions");
  in.expect_end();
  return file;
}

}  // namespace kvs
