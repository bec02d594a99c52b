#include "kvs/diff_text.h"

#include <array>

#include "kvs/error.h"

namespace kvs {
namespace {

// How one kind of text is set apart: by colour, or by marks.
struct Style {
  std::string_view colour;
  std::string_view open;
  std::string_view close;
};

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kMovedMark = "↷";
constexpr std::string_view kServesFor = "→";

constexpr Style style_of(EditKind kind) {
  switch (kind) {
    case EditKind::keep:
      return {"", "", ""};
    case EditKind::move:
      return {"\x1b[34m", "{>", "<}"};
    case EditKind::fuzzy:
      return {"\x1b[35m", "{~", "~}"};
    case EditKind::insert:
    case EditKind::replace:
      return {"\x1b[32m", "{+", "+}"};
    case EditKind::remove:
      return {"\x1b[31m", "[-", "-]"};
  }
  return {};
}

std::string with_thousands(int64_t number) {
  const std::string digits = fmt::to_string(number);
  std::string out;
  for (size_t at = 0; at < digits.size(); ++at) {
    if (at > 0 && (digits.size() - at) % 3 == 0) out += ',';
    out += digits[at];
  }
  return out;
}

// Control characters are shown, not sent: C0, delete, and C1 (two bytes in UTF-8).
std::string without_controls(std::string_view text) {
  std::string out;
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool c1 = before == 0xc2 && byte >= 0x80 && byte < 0xa0;
    if (c1) out.pop_back();
    if (c1 || (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
    before = byte;
  }
  return out;
}

class DiffWriter {
 public:
  DiffWriter(std::span<const std::span<const int32_t>> donors, const DecodeTokens& decode,
             const DiffTextOptions& options)
      : donors_(donors), decode_(decode), options_(options) {}

  // `tokens` are the target's tokens where the op has some.
  void write(const EditOp& op, std::span<const int32_t> tokens) {
    switch (op.kind) {
      case EditKind::keep:
      case EditKind::move:
        return reused(op, tokens);
      case EditKind::fuzzy:
        return fuzzy(donors_[op.source].subspan(op.donor_first, op.count), tokens);
      case EditKind::insert:
        return marked(EditKind::insert, tokens);
      case EditKind::replace:
        marked(EditKind::remove, donors_[op.source].subspan(op.donor_first, op.count));
        return marked(EditKind::insert, tokens);
      case EditKind::remove:
        return marked(EditKind::remove, donors_[op.source].subspan(op.donor_first, op.count));
    }
  }

  std::string take() && {
    if (!out_.empty() && out_.back() != '\n') out_ += '\n';
    return std::move(out_);
  }

 private:
  void reused(const EditOp& op, std::span<const int32_t> tokens) {
    if (op.count <= 2 * options_.context + 1) return marked(op.kind, tokens);
    const auto context = static_cast<size_t>(options_.context);
    if (context > 0) marked(op.kind, tokens.first(context));
    note(op);
    if (context > 0) marked(op.kind, tokens.last(context));
  }

  // What stood there, and what its rows serve for now.
  void fuzzy(std::span<const int32_t> old, std::span<const int32_t> tokens) {
    const Style style = style_of(EditKind::fuzzy);
    const std::string text =
        without_controls(decode_(old)).append(kServesFor).append(without_controls(decode_(tokens)));
    out_ += options_.colour ? style.colour : style.open;
    out_ += text;
    out_ += options_.colour ? kReset : style.close;
  }

  // Stands on a line of its own for the tokens that are not shown.
  void note(const EditOp& op) {
    if (!out_.empty() && out_.back() != '\n') out_ += '\n';
    if (options_.colour) out_ += kDim;
    out_ += fmt::format("… {} tokens {} (", with_thousands(op.count - 2 * options_.context),
                        op.kind == EditKind::keep ? "kept" : "moved");
    if (donors_.size() > 1) out_ += fmt::format("donor {}, ", op.source + 1);
    out_ += op.shift() == 0 ? "in place" : fmt::format("shift {:+}", op.shift());
    out_ += ") …";
    if (options_.colour) out_ += kReset;
    out_ += '\n';
  }

  void marked(EditKind kind, std::span<const int32_t> tokens) {
    const Style style = style_of(kind);
    if (options_.colour) {
      out_ += style.colour;
      if (kind == EditKind::move) out_ += kMovedMark;
      out_ += without_controls(decode_(tokens));
      if (!style.colour.empty()) out_ += kReset;
    } else {
      out_ += style.open;
      out_ += without_controls(decode_(tokens));
      out_ += style.close;
    }
  }

  std::span<const std::span<const int32_t>> donors_;
  const DecodeTokens& decode_;
  const DiffTextOptions& options_;
  std::string out_;
};

}  // namespace

std::string diff_text(const EditScript& script, std::span<const std::span<const int32_t>> donors,
                      const DecodeTokens& decode, const DiffTextOptions& options) {
  const std::vector<int32_t> target = apply_script(script, donors);
  DiffWriter writer(donors, decode, options);
  for (const EditOp& op : script.ops) {
    const bool in_target = op.kind != EditKind::remove;
    writer.write(op, std::span(target).subspan(op.target_first, in_target ? op.count : 0));
  }
  return std::move(writer).take();
}

}  // namespace kvs
