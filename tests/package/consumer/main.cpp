#include <fmt/format.h>
#include <kvs/shape.h>

int main() {
  const kvs::Shape shape{2, 3};
  fmt::print("{} has {} elements\n", shape.to_string(), shape.elements());
}
