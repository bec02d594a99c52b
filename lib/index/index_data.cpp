#include "index/index_data.h"

#include "index/byte_stream.h"
#include "kvs/hash.h"

namespace kvs {
namespace {

constexpr uint64_t kDonorsMagic = 0x0a324e4f4453564bu;        // "KVSDON2\n"
constexpr uint64_t kFingerprintsMagic = 0x0a32504f4353564bu;  // "KVSCOP2\n"
constexpr uint64_t kVectorsMagic = 0x0a314c4f5653564bu;       // "KVSVOL1\n"

void expect_magic(ByteReader& in, uint64_t magic, std::string_view source) {
  if (in.get<uint64_t>() != magic)
    fail(ErrorKind::mismatch, "{}: not a file of a donor index of this version", source);
}

Visibility read_visibility(ByteReader& in) {
  const auto value = in.get<uint8_t>();
  if (value > static_cast<uint8_t>(Visibility::everyone)) in.damaged("an unknown visibility");
  return static_cast<Visibility>(value);
}

uint32_t read_number(ByteReader& in, size_t below, std::string_view what) {
  const auto number = in.get<uint32_t>();
  if (number >= below) in.damaged(fmt::format("{} {} of {}", what, number, below));
  return number;
}

void write_donor(ByteWriter& out, const StoredDonor& donor) {
  out.add_string(donor.id);
  out.add(donor.prompt);
  out.add(donor.tokens_hash);
  out.add(donor.tokens);
  out.add(donor.archive);
  out.add(donor.tenant);
  out.add(static_cast<uint8_t>(donor.visibility));
  out.add(donor.time);
  out.add(uint8_t{donor.pinned});
}

StoredDonor read_donor(ByteReader& in, const IndexData& data) {
  StoredDonor donor;
  donor.id = in.get_string();
  donor.prompt = in.get<uint64_t>();
  donor.tokens_hash = in.get<uint64_t>();
  donor.tokens = in.get<uint32_t>();
  donor.archive = read_number(in, data.archives.size(), "archive");
  donor.tenant = read_number(in, data.tenants.size(), "tenant");
  donor.visibility = read_visibility(in);
  donor.time = in.get<int64_t>();
  donor.pinned = in.get<uint8_t>() != 0;
  return donor;
}

void number_rows(const Scope& scope, IndexData& data, const ByteReader& in) {
  for (size_t row = 0; row < scope.vector_rows.size(); ++row) {
    const uint32_t donor = scope.vector_rows[row];
    if (donor == kNoDonor) continue;
    if (donor >= data.donors.size()) in.damaged("a vector of an unknown donor");
    data.donors[donor].row = static_cast<int64_t>(row);
  }
}

}  // namespace

uint64_t hash_tokens(std::span<const int32_t> tokens) {
  return hash_bytes(tokens.data(), tokens.size_bytes()).low;
}

std::vector<std::byte> write_donors(const IndexData& data) {
  ByteWriter out;
  out.add(kDonorsMagic);
  for (const std::string* text : {&data.model.name, &data.model.fingerprint, &data.model.tokenizer,
                                  &data.model.embedder, &data.factory})
    out.add_string(*text);
  out.add(int32_t{data.model.dims});
  out.add(uint64_t{data.tenants.size()});
  for (const std::string& tenant : data.tenants) out.add_string(tenant);
  out.add(uint64_t{data.archives.size()});
  for (const StoredArchive& archive : data.archives) {
    out.add_string(archive.path);
    out.add(archive.bytes);
    out.add(archive.prompts);
  }
  out.add(uint64_t{data.donors.size()});
  for (const StoredDonor& donor : data.donors) write_donor(out, donor);
  return out.take();
}

IndexData read_donors(std::span<const std::byte> bytes, std::string_view source) {
  ByteReader in(bytes, source);
  expect_magic(in, kDonorsMagic, source);
  IndexData data;
  for (std::string* text : {&data.model.name, &data.model.fingerprint, &data.model.tokenizer,
                            &data.model.embedder, &data.factory})
    *text = in.get_string();
  data.model.dims = in.get<int32_t>();
  for (auto left = in.get<uint64_t>(); left > 0; --left) data.tenants.push_back(in.get_string());
  for (auto left = in.get<uint64_t>(); left > 0; --left) {
    StoredArchive& archive = data.archives.emplace_back();
    archive.path = in.get_string();
    archive.bytes = in.get<uint64_t>();
    archive.prompts = in.get<uint64_t>();
  }
  for (auto left = in.get<uint64_t>(); left > 0; --left)
    data.donors.push_back(read_donor(in, data));
  in.expect_end();
  return data;
}

std::vector<std::byte> write_fingerprints(const IndexData& data) {
  ByteWriter out;
  out.add(kFingerprintsMagic);
  out.add(uint64_t{data.scopes.size()});
  for (const Scope& scope : data.scopes) {
    out.add(scope.tenant);
    out.add(static_cast<uint8_t>(scope.visibility));
    out.add_string(scope.factory);
    out.add_array(std::span(scope.vector_rows));
    const std::vector<std::byte> fingerprints = scope.fingerprints.to_bytes();
    out.add_array(std::span(fingerprints));
  }
  return out.take();
}

void read_fingerprints(std::span<const std::byte> bytes, std::string_view source, IndexData& data) {
  ByteReader in(bytes, source);
  expect_magic(in, kFingerprintsMagic, source);
  for (auto left = in.get<uint64_t>(); left > 0; --left) {
    Scope& scope = data.scopes.emplace_back();
    scope.tenant = read_number(in, data.tenants.size(), "tenant");
    scope.visibility = read_visibility(in);
    scope.factory = in.get_string();
    scope.vector_rows = in.get_array<uint32_t>();
    number_rows(scope, data, in);
    scope.fingerprints = FingerprintIndex::from_bytes(in.get_bytes(), source);
    if (scope.fingerprints.donors_end() > data.donors.size())
      in.damaged("fingerprints of an unknown donor");
  }
  in.expect_end();
}

std::vector<std::byte> write_vectors(const ScopeVectors& vectors) {
  ByteWriter out;
  out.add(kVectorsMagic);
  for (const auto& index : vectors)
    out.add_array(std::span<const std::byte>(index ? index->to_bytes() : std::vector<std::byte>{}));
  return out.take();
}

VectorsShape vectors_shape(const IndexData& data) {
  VectorsShape shape{data.model.dims, {}};
  for (const Scope& scope : data.scopes) shape.rows.push_back(scope.vector_rows.size());
  return shape;
}

ScopeVectors read_vectors(std::span<const std::byte> bytes, std::string_view source,
                          const VectorsShape& shape) {
  ByteReader in(bytes, source);
  expect_magic(in, kVectorsMagic, source);
  ScopeVectors vectors;
  for (const size_t rows : shape.rows) {
    const auto stored = in.get_bytes();
    auto& index = vectors.emplace_back();
    if (stored.empty() && rows == 0) continue;
    index = read_vector_index(stored, source);
    if (index->dims() != shape.dims || static_cast<size_t>(index->size()) != rows)
      in.damaged("vectors that do not fit their donors");
  }
  in.expect_end();
  return vectors;
}

}  // namespace kvs
