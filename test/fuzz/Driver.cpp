// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small stand-in for libFuzzer that works with any compiler:
//
//   fuzz-TARGET [--seconds N] [--cases N] [--seed N] FILE...
//
// mutates the files and what the target makes itself. Without coverage, it
// takes an error message that was not seen before as the sign of new ground and
// keeps that input for further mutations; so it gets from "wrong magic" to the
// last checks of the readers. The sequence of cases depends on the seed alone.
// An input that ends the program is left in crash.bin; `--cases 0 crash.bin`
// runs it again.

#include "Driver.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cstdlib>

using namespace llvm;

static Bytes current;

extern "C" void __sanitizer_set_death_callback(void (*)(void));
/// Inputs are below 2 MiB: whoever asks for 64 MiB believed a number in one.
extern "C" const char *__asan_default_options() {
  return "max_allocation_size_mb=64:allocator_may_return_null=0:"
         "handle_abort=1";
}

static void saveCurrent() {
  std::error_code error;
  raw_fd_ostream("crash.bin", error)
      .write(reinterpret_cast<const char *>(current.data()), current.size());
  errs() << "the input is in crash.bin\n";
}

/// Counts and sizes around which checks go wrong.
static uint64_t interestingNumber(Random &random, size_t size) {
  static const uint64_t fixed[] = {
      0,          1,          2,          3,           4,         5,
      7,          8,          9,          12,          13,        31,
      32,         33,         63,         64,          65,        127,
      128,        255,        256,        0x7fff,      0xffff,    0x10000,
      0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1u << 30,  1ull << 61,
      1ull << 62, 1ull << 63, ~0ull,      ~0ull - 7,   ~0ull - 31};
  uint64_t number =
      random.oneIn(4) ? random.below(size + 2) : random.pick(fixed);
  return random.oneIn(4) ? number + random.below(3) - 1 : number;
}

static const StringLiteral words[] = {"GGUF",
                                      "general.alignment",
                                      "split.count",
                                      "\"__metadata__\":{}",
                                      "\"dtype\":",
                                      "\"shape\":[]",
                                      "\"data_offsets\":[0,0]",
                                      "\"F32\"",
                                      "\"U8\"",
                                      "\"F4\"",
                                      "\"F6_E2M3\"",
                                      "\"BOOL\"",
                                      "[[[[[[[[",
                                      "{\"",
                                      "}",
                                      "]",
                                      ",",
                                      ":",
                                      "null",
                                      "-1",
                                      "1e9",
                                      "0.5",
                                      "00",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "18446744073709551616",
                                      "\\u0000",
                                      "\\ud800",
                                      "\\udc00",
                                      "\\ud83d\\ude00",
                                      "\\",
                                      "\"",
                                      " ",
                                      "\n",
                                      "\xff",
                                      "\xc3"};

static void overwrite(Bytes &bytes, Random &random, uint64_t value,
                      size_t width) {
  if (bytes.size() < width)
    return;
  uint8_t encoded[8];
  support::endian::write64le(encoded, value);
  std::copy_n(encoded, width,
              bytes.begin() + random.below(bytes.size() - width + 1));
}

static void insert(Bytes &bytes, Random &random, ArrayRef<uint8_t> piece) {
  bytes.insert(bytes.begin() + random.below(bytes.size() + 1), piece.begin(),
               piece.end());
}

/// A run of bytes, most often short.
static std::pair<size_t, size_t> range(const Bytes &bytes, Random &random) {
  size_t begin = random.below(bytes.size());
  size_t longest = random.oneIn(4) ? bytes.size() - begin : 32;
  return {begin, 1 + random.below(std::min(longest, bytes.size() - begin))};
}

/// Where the JSON object that begins at `begin` ends; 0 if it does not.
static size_t endOfObject(const Bytes &bytes, size_t begin) {
  int depth = 0;
  bool inString = false;
  for (size_t i = begin; i < bytes.size(); ++i) {
    uint8_t c = bytes[i];
    if (inString && c == '\\')
      ++i;
    else if (c == '"')
      inString = !inString;
    else if (!inString && c == '{')
      ++depth;
    else if (!inString && c == '}' && --depth == 0)
      return i + 1;
  }
  return 0;
}

/// The header's length in front of a safetensors file made right again, without
/// which most changes of the text would end at the first check. The file may
/// come behind a line of text.
static void mendLength(Bytes &bytes) {
  size_t begin = 0;
  if (!bytes.empty() && bytes[0] == '{')
    begin = find(bytes, '\n') - bytes.begin() + 1;
  if (bytes.size() < begin + 9 || bytes[begin + 8] != '{')
    return;
  size_t end = endOfObject(bytes, begin + 8);
  while (end != 0 && end < bytes.size() && bytes[end] == ' ')
    ++end;
  if (end != 0)
    support::endian::write64le(bytes.data() + begin, end - begin - 8);
}

static void mutate(Bytes &bytes, Random &random, const Bytes &other) {
  if (bytes.empty())
    bytes.push_back(0);
  // What describes a file is at its beginning.
  const size_t front = 4096;
  if (bytes.size() > 2 * front && !random.oneIn(4)) {
    Bytes description(bytes.begin(), bytes.begin() + front);
    mutate(description, random, other);
    bytes.erase(bytes.begin(), bytes.begin() + front);
    bytes.insert(bytes.begin(), description.begin(), description.end());
    if (random.oneIn(2))
      mendLength(bytes);
    return;
  }
  switch (random.below(12)) {
  case 0:
    bytes[random.below(bytes.size())] ^= 1 << random.below(8);
    break;
  case 1:
    bytes[random.below(bytes.size())] = uint8_t(random.below(256));
    break;
  case 2:
  case 3:
  case 4: {
    size_t width = size_t(1) << random.below(4);
    overwrite(bytes, random, interestingNumber(random, bytes.size()), width);
    break;
  }
  case 5: // cut off
    bytes.resize(random.below(bytes.size()));
    break;
  case 6: { // delete
    auto [begin, size] = range(bytes, random);
    bytes.erase(bytes.begin() + begin, bytes.begin() + begin + size);
    break;
  }
  case 7: { // repeat
    auto [begin, size] = range(bytes, random);
    Bytes piece(bytes.begin() + begin, bytes.begin() + begin + size);
    insert(bytes, random, piece);
    break;
  }
  case 8:
    insert(bytes, random, arrayRefFromStringRef(random.pick(words)));
    break;
  case 9: { // a number in text
    size_t place = random.below(bytes.size()), tries = bytes.size();
    while (tries-- && !isDigit(bytes[place]))
      place = (place + 1) % bytes.size();
    bytes.erase(bytes.begin() + place);
    std::string digits = utostr(interestingNumber(random, bytes.size()));
    ArrayRef<uint8_t> piece = arrayRefFromStringRef(digits);
    bytes.insert(bytes.begin() + place, piece.begin(), piece.end());
    break;
  }
  case 10: // the start of one, the end of another
    if (!other.empty()) {
      bytes.resize(random.below(bytes.size() + 1));
      bytes.insert(bytes.end(), other.begin() + random.below(other.size()),
                   other.end());
    }
    break;
  case 11: // a number in a hidden place is a count: little change, big effect
    for (size_t i = 0; i < 3; ++i)
      overwrite(bytes, random, random.below(16), 1);
    break;
  }
  if (random.oneIn(2))
    mendLength(bytes);
  const size_t longest = 1 << 21;
  if (bytes.size() > longest)
    bytes.resize(longest);
}

/// Without what differs between inputs that are handled in the same way:
/// numbers and names. A name may hold quotes itself, so everything from a
/// line's first to its last is left out.
static std::string shapeOf(StringRef outcome) {
  std::string shape;
  for (StringRef line : split(outcome, '\n')) {
    StringRef before = line.take_until([](char c) { return c == '\''; });
    StringRef after = line.take_back(line.size() - line.rfind('\'') - 1);
    for (char c : (before + (before == line ? "" : after)).str())
      if (!isDigit(c))
        shape += c;
    shape += '\n';
  }
  return shape;
}

static int usage() {
  errs() << "usage: fuzz-TARGET [--seconds N] [--cases N] [--seed N] FILE...\n";
  return 2;
}

int main(int argc, char **argv) {
  uint64_t seconds = UINT64_MAX, cases = UINT64_MAX, seed = 1;
  std::vector<Bytes> corpus = fuzzSeeds();
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    uint64_t *number = argument == "--seconds" ? &seconds
                       : argument == "--cases" ? &cases
                       : argument == "--seed"  ? &seed
                                               : nullptr;
    if (number) {
      if (++i == argc || StringRef(argv[i]).getAsInteger(10, *number))
        return usage();
      continue;
    }
    auto buffer = MemoryBuffer::getFile(argument, /*IsText=*/false,
                                        /*RequiresNullTerminator=*/false);
    if (!buffer) {
      errs() << argument << ": " << buffer.getError().message() << "\n";
      return usage();
    }
    corpus.emplace_back((*buffer)->getBufferStart(), (*buffer)->getBufferEnd());
  }
  if (seconds == UINT64_MAX && cases == UINT64_MAX)
    return usage();

  __sanitizer_set_death_callback(saveCurrent);
  StringSet<> seen;
  uint64_t accepted = 0, count = 0;
  auto runOne = [&](const Bytes &bytes) {
    // Of exactly the input's size, so that a read behind its end is noticed.
    current = bytes;
    current.shrink_to_fit();
    std::string outcome = fuzzOne(current.data(), current.size());
    accepted += StringRef(outcome).contains("accepted");
    return seen.insert(shapeOf(outcome)).second;
  };
  for (const Bytes &bytes : corpus)
    runOne(bytes);
  if (accepted == 0 && cases != 0) {
    errs() << "no seed is a good file\n";
    return 1;
  }

  Random random(seed);
  const size_t seeds = corpus.size();
  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
  while (count < cases &&
         (count % 256 ||
          Clock::now() - start <
              std::chrono::seconds(std::min(seconds, uint64_t(1) << 30)))) {
    // Half of the time close to a good file, to get past the first checks.
    Bytes bytes = random.oneIn(8) ? fuzzMake(random) : Bytes();
    if (bytes.empty())
      bytes =
          random.oneIn(2) ? corpus[random.below(seeds)] : random.pick(corpus);
    for (uint64_t i = random.below(2), n = 1 + random.below(4); i < n; ++i)
      if (!random.oneIn(4))
        mutate(bytes, random, random.pick(corpus));
    ++count;
    if (runOne(bytes))
      corpus.push_back(std::move(bytes));
  }
  outs() << count << " cases, " << accepted << " accepted, " << seen.size()
         << " different outcomes, seed " << seed << "\n";
  return 0;
}
