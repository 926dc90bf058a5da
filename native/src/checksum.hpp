// CRC-32C (Castagnoli, 1993), the checksum of every block of every file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {

// Returns the CRC-32C of `size` bytes. Uses the processor's instruction where there is one; the
// portable table gives the same values. `seed` continues an earlier checksum.
std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t seed = 0) noexcept;

// The portable computation, for tests and for processors without the instruction.
std::uint32_t crc32c_portable(const void* data, std::size_t size, std::uint32_t seed = 0) noexcept;

}  // namespace weft
