// PNG files as Pillow reads them, including damaged ones: which chunks are checked, where the pixels end, what is an
// error. PNG libraries decide some of that differently, so only the decompression is a library's.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "error.h"
#include "image.h"
#include "orientation.h"
#include "printable.h"

namespace tinynets {
namespace {

using Bytes = std::string_view;

constexpr size_t LONGEST_TEXT = 1 << 20;             // bytes of an unpacked text or profile
constexpr size_t LONGEST_TEXTS = 64 * LONGEST_TEXT;  // bytes of all of a file

enum Colour { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

// The data in the chunks before the pixels.
struct Header {
  uint32_t width = 0, height = 0;
  bool known = false;  // whether the kind of pixels is known
  int depth = 0, colour = 0;
  bool interlaced = false;
  Bytes palette;
  struct Frame {
    uint32_t left, top, width, height;
  };
  std::optional<Frame> frame;        // of an animation
  std::optional<uint32_t> frames;    // their number by its header
  std::optional<uint32_t> sequence;  // the last number of its chunks
  bool default_image = false;        // the pixels are not part of the animation
};

uint32_t Long(Bytes bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; i++) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The chunks of a file, one after the other.
class Chunks {
 public:
  explicit Chunks(Bytes file) : rest_(file) {}

  // Steps to the next chunk; returns false if there is none.
  bool Next() {
    if (rest_.size() < 8) return false;
    length_ = Long(rest_, 0);
    kind_ = rest_.substr(4, 4);
    rest_.remove_prefix(8);
    return std::all_of(kind_.begin(), kind_.end(),
                       [](unsigned char c) { return c < 0x80 && (std::isalnum(c) || c == '_'); });
  }

  Bytes kind() const { return kind_; }
  size_t length() const { return length_; }

  // The next bytes of the file. Throws ImageError if it has fewer.
  Bytes Read(size_t size) {
    if (size > rest_.size()) throw ImageError("the file is truncated");
    return Some(size);
  }

  // The next bytes of the file, or fewer at its end.
  Bytes Some(size_t size) {
    const Bytes bytes = rest_.substr(0, size);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

 private:
  Bytes rest_, kind_;
  size_t length_ = 0;
};

void Need(Bytes data, size_t size, const char *kind) {
  if (data.size() < size) throw ImageError(std::string("the chunk ") + kind + " is too short");
}

// Decompressed data, nothing if it is damaged. Throws ImageError if it is too large.
std::optional<std::string> Unpacked(Bytes packed) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  std::string text(std::min(LONGEST_TEXT, 1032 * packed.size() + 64), '\0');  // deflate's best ratio is 1 : 1032
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef *>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int status = inflate(&stream, Z_SYNC_FLUSH);
  inflateEnd(&stream);
  if (status != Z_OK && status != Z_BUF_ERROR && status != Z_STREAM_END) return std::nullopt;
  if (status != Z_STREAM_END && stream.avail_out == 0 && stream.avail_in > 0) {
    throw ImageError("a text or profile in it is larger than 1 MiB");
  }
  text.resize(text.size() - stream.avail_out);
  return text;
}

// Splits bytes at the first 0; returns false if there is none.
bool Split(Bytes bytes, Bytes *first, Bytes *rest) {
  const size_t at = bytes.find('\0');
  *first = bytes.substr(0, at);
  *rest = at == Bytes::npos ? Bytes() : bytes.substr(at + 1);
  return at != Bytes::npos;
}

class PngReader {
 public:
  explicit PngReader(const std::vector<uint8_t> &file)
      : chunks_(Bytes(reinterpret_cast<const char *>(file.data()), file.size()).substr(8)) {}

  // Reads up to the pixels; then `header` is complete.
  void ReadHeader() {
    for (;;) {
      if (!chunks_.Next()) throw ImageError("the file is truncated or a chunk of it is damaged");
      const Bytes kind = chunks_.kind();
      if (kind == "IEND") throw ImageError("has no pixels");
      if (BeginPixels()) return;
      const Bytes data = chunks_.Read(chunks_.length());
      Take(kind, data);
      if (chunks_.Read(4) != Checksum(kind, data)) {
        throw ImageError("the checksum (CRC) of its chunk " + std::string(kind) + " is wrong");
      }
    }
  }

  // The next bytes of the compressed pixels. Throws ImageError if there are none.
  Bytes Pixels() {
    constexpr size_t MOST = 65536;
    while (left_ == 0) {
      chunks_.Some(4);  // the checksum
      if (!chunks_.Next()) throw ImageError("the file is truncated or a chunk of it is damaged");
      if (chunks_.kind() == "fdAT") {
        CheckSequence();
      } else if (chunks_.kind() == "IDAT" || chunks_.kind() == "DDAT") {
        left_ = chunks_.length();
      } else {
        throw ImageError("the file is truncated");
      }
    }
    const Bytes bytes = chunks_.Some(std::min(left_, MOST));
    left_ -= std::min(left_, MOST);
    if (bytes.empty()) throw ImageError("the file is truncated");
    return bytes;
  }

  // Reads the chunks after the pixels, which may have texts. Checksums and a missing end are ignored there.
  void ReadRest() {
    const bool animated = header.frames.value_or(1) + (header.default_image ? 1 : 0) > 1;
    for (chunks_.Some(left_);;) {
      chunks_.Some(4);
      if (!chunks_.Next()) return;
      const Bytes kind = chunks_.kind();
      if (kind == "IEND" || (kind == "fcTL" && animated)) return;
      if (kind == "fdAT") {
        CheckSequence();
        chunks_.Read(left_);
      } else {
        Take(kind, chunks_.Read(chunks_.length()));
      }
    }
  }

  Header header;
  Metadata metadata;

 private:
  static std::string Checksum(Bytes kind, Bytes data) {
    uLong sum = crc32(0, reinterpret_cast<const Bytef *>(kind.data()), 4);
    for (size_t at = 0; at < data.size();) {
      const size_t part = std::min<size_t>(data.size() - at, 1 << 30);
      sum = crc32(sum, reinterpret_cast<const Bytef *>(data.data() + at), static_cast<uInt>(part));
      at += part;
    }
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(sum >> shift);
    return bytes;
  }

  // Whether the chunk begins the pixels, whose kind must be known before.
  bool BeginPixels() {
    if (chunks_.kind() == "fdAT") {
      CheckSequence();
      return true;
    }
    if (chunks_.kind() != "IDAT" || !header.known) return false;
    header.default_image = header.frames.has_value() && !header.frame.has_value();
    left_ = chunks_.length();
    return true;
  }

  // Reads the number of an animation's chunk of pixels.
  void CheckSequence() {
    if (chunks_.length() < 4) throw ImageError("the chunk fdAT is too short");
    CheckNext(Long(chunks_.Read(4), 0));
    if (!header.known) throw ImageError("a PNG of an unknown kind");
    left_ = chunks_.length() - 4;
  }

  void CheckNext(uint32_t sequence) {
    if (!header.sequence.has_value() || *header.sequence != sequence - 1 || sequence == 0) {
      throw ImageError("the frames of the animation are out of order");
    }
    header.sequence = sequence;
  }

  void Take(Bytes kind, Bytes data) {
    static constexpr struct {
      Bytes kind;
      size_t least;
    } LEAST[] = {{"gAMA", 4}, {"cHRM", 32}, {"sRGB", 1}, {"pHYs", 9}, {"acTL", 8}, {"fcTL", 26}, {"IHDR", 13}};
    for (const auto &known : LEAST) {
      if (kind == known.kind) Need(data, known.least, known.kind.data());
    }
    if (kind == "IHDR") TakeHeader(data);
    if (kind == "PLTE" && header.known && header.colour == PALETTE) header.palette = data;
    if (kind == "tRNS" && header.known && (header.colour == GREY || header.colour == RGB)) {
      Need(data, header.colour == RGB ? 6 : 2, "tRNS");
    }
    if (kind == "iCCP") TakeProfile(data);
    if (kind == "acTL") TakeAnimation(data);
    if (kind == "fcTL") TakeFrame(data);
    if (kind == "tEXt" || kind == "zTXt") TakeText(data, kind == "zTXt");
    if (kind == "iTXt") TakeInternationalText(data);
    if (kind == "eXIf") metadata.exif = std::string("Exif\0\0", 6).append(data);  // as Pillow does
  }

  void TakeHeader(Bytes data) {
    header.width = Long(data, 0);
    header.height = Long(data, 4);
    const int depth = static_cast<uint8_t>(data[8]), colour = static_cast<uint8_t>(data[9]);
    const bool small = depth == 1 || depth == 2 || depth == 4;
    if ((small && (colour == GREY || colour == PALETTE)) ||
        (depth == 8 && (colour <= 4 || colour == 6) && colour != 1) ||
        (depth == 16 && (colour == GREY || colour == RGB || colour == GREY_ALPHA || colour == RGB_ALPHA))) {
      header.known = true;
      header.depth = depth;
      header.colour = colour;
    }
    if (data[12] != 0) header.interlaced = true;
    if (data[11] != 0) throw ImageError("a PNG of an unknown kind of filters");
  }

  static void TakeProfile(Bytes data) {
    const size_t method = data.find('\0') + 1;  // 0 where there is none
    if (method >= data.size() || data[method] != 0) throw ImageError("a colour profile in it is damaged");
    Unpacked(data.substr(method + 1));
  }

  void TakeAnimation(Bytes data) {
    const uint32_t frames = Long(data, 0);
    if (header.frames.has_value()) {
      header.frames.reset();
    } else if (frames != 0 && frames <= 0x80000000) {
      header.frames = frames;
    }
  }

  void TakeFrame(Bytes data) {
    const uint32_t sequence = Long(data, 0);
    if (!header.sequence.has_value() && sequence == 0) {
      header.sequence = 0;
    } else {
      CheckNext(sequence);
    }
    const uint64_t width = Long(data, 4), height = Long(data, 8), left = Long(data, 12), top = Long(data, 16);
    if (left + width > header.width || top + height > header.height) {
      throw ImageError("a frame of the animation is larger than the image");
    }
    header.frame = {static_cast<uint32_t>(left), static_cast<uint32_t>(top), static_cast<uint32_t>(width),
                    static_cast<uint32_t>(height)};
  }

  void TakeText(Bytes data, bool packed) {
    Bytes key, value;
    Split(data, &key, &value);
    std::string text(value);
    if (packed) {
      if (!value.empty() && value[0] != 0) throw ImageError("a text in it is packed by an unknown method");
      text = Unpacked(value.substr(std::min<size_t>(1, value.size()))).value_or("");
    }
    if (key.empty()) return;
    Count(text.size());
    if (key == "exif") metadata.exif = packed ? "text, not bytes" : text;
    Keep(key, text);
  }

  void TakeInternationalText(Bytes data) {
    Bytes key, language, translated, value;
    if (!Split(data, &key, &value) || value.size() < 2) return;
    const bool packed = value[0] != 0, unknown = value[1] != 0;
    if (!Split(value.substr(2), &language, &value) || !Split(value, &translated, &value)) return;
    std::optional<std::string> text(value);
    if (packed) text = unknown ? std::nullopt : Unpacked(value);
    if (!text.has_value()) return;
    if (key == "XML:com.adobe.xmp") packet_ = *text;
    const bool readable = IsUtf8(std::string(language)) && IsUtf8(std::string(translated)) && IsUtf8(*text);
    if (readable) {
      if (key == "exif") metadata.exif = "text, not bytes";
      Keep(key, *text);
      Count(static_cast<size_t>(
          std::count_if(text->begin(), text->end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; })));
    }
    if (text_.empty()) metadata.xmp = packet_;
  }

  void Keep(Bytes key, const std::string &text) {
    if (key == "Raw profile type exif") metadata.profile = text;
    if (key != "XML:com.adobe.xmp") return;
    text_ = text;
    metadata.xmp = text_.empty() ? packet_ : text_;
  }

  void Count(size_t size) {
    texts_ += size;
    if (texts_ > LONGEST_TEXTS) throw ImageError("the texts in it are larger than 64 MiB");
  }

  Chunks chunks_;
  size_t left_ = 0;  // bytes left in the chunk of pixels
  size_t texts_ = 0;
  std::string packet_, text_;  // XMP as bytes, and as the text of its key
};

// Undoes the filter of a row; `row` and `above` are `size` bytes without the filter byte.
void Unfilter(int filter, uint8_t *row, const uint8_t *above, size_t size, size_t pixel) {
  const size_t first = std::min(pixel, size);
  switch (filter) {
    case 0:
      return;
    case 1:
      for (size_t i = pixel; i < size; i++) row[i] = static_cast<uint8_t>(row[i] + row[i - pixel]);
      return;
    case 2:
      for (size_t i = 0; i < size; i++) row[i] = static_cast<uint8_t>(row[i] + above[i]);
      return;
    case 3:
      for (size_t i = 0; i < first; i++) row[i] = static_cast<uint8_t>(row[i] + above[i] / 2);
      for (size_t i = pixel; i < size; i++) row[i] = static_cast<uint8_t>(row[i] + (row[i - pixel] + above[i]) / 2);
      return;
    case 4:
      for (size_t i = 0; i < first; i++) row[i] = static_cast<uint8_t>(row[i] + above[i]);
      for (size_t i = pixel; i < size; i++) {
        const int a = row[i - pixel], b = above[i], c = above[i - pixel];
        const int to_a = std::abs(b - c), to_b = std::abs(a - c), to_c = std::abs(a + b - 2 * c);
        const int nearest = to_a <= to_b && to_a <= to_c ? a : to_b <= to_c ? b : c;
        row[i] = static_cast<uint8_t>(row[i] + nearest);
      }
      return;
    default:
      throw ImageError("the pixels are damaged: there is no filter " + std::to_string(filter));
  }
}

// Turns the file's samples into RGB bytes: the upper eight bits of wide samples, without transparency.
class Unpacker {
 public:
  Unpacker(const Header &header) : depth_(header.depth), colour_(header.colour) {
    const size_t given = header.palette.size() / 3;
    if (given > palette_.size()) throw ImageError("the palette has more than 256 colours");
    for (size_t i = 0; i < given; i++) std::memcpy(palette_[i].data(), &header.palette[3 * i], 3);
  }

  size_t bits() const {
    const int samples = colour_ == RGB ? 3 : colour_ == GREY_ALPHA ? 2 : colour_ == RGB_ALPHA ? 4 : 1;
    return static_cast<size_t>(samples * depth_);
  }

  // Converts `count` consecutive pixels in `from` to pixels `step` bytes apart.
  void operator()(const uint8_t *from, size_t count, uint8_t *to, size_t step) const {
    const size_t sample = static_cast<size_t>(depth_) / 8, pixel = bits() / 8;
    if (colour_ == RGB && depth_ == 8 && step == 3) {
      std::memcpy(to, from, 3 * count);
      return;
    }
    for (size_t x = 0; x < count; x++, to += step) {
      if (colour_ == RGB || colour_ == RGB_ALPHA) {
        for (size_t c = 0; c < 3; c++) to[c] = from[pixel * x + sample * c];
      } else {
        const int value = depth_ >= 8 ? from[pixel * x] : Small(from, x);
        if (colour_ == PALETTE) {
          std::memcpy(to, palette_[static_cast<size_t>(value)].data(), 3);
        } else {
          std::memset(to, depth_ >= 8 ? value : value * 255 / ((1 << depth_) - 1), 3);
        }
      }
    }
  }

 private:
  // A sample of fewer than eight bits.
  int Small(const uint8_t *from, size_t x) const {
    const size_t depth = static_cast<size_t>(depth_), bit = depth * x;
    return from[bit / 8] >> (8 - depth - bit % 8) & ((1 << depth) - 1);
  }

  int depth_, colour_;
  std::array<std::array<uint8_t, 3>, 256> palette_{};
};

// The rows of an image in the file's order; in an interlaced image, each pass has some columns of some rows.
class Passes {
 public:
  Passes(size_t width, size_t height, bool interlaced) : width_(width), height_(height), pass_(interlaced ? 0 : 7) {
    if (pass_ == 0) y_ = ROW[0];
  }

  size_t columns() const { return (width_ + STEP[pass_] - 1 - COLUMN[pass_]) / STEP[pass_]; }
  size_t first() const { return COLUMN[pass_]; }
  size_t step() const { return STEP[pass_]; }
  size_t row() const { return y_; }
  bool done() const { return y_ >= height_; }

  // Steps to the next row with pixels; returns whether it belongs to another pass.
  bool Next() {
    y_ += DOWN[pass_];
    const int before = pass_;
    while (pass_ < 6 && (y_ >= height_ || columns() == 0)) y_ = ROW[++pass_];
    if (pass_ == 6 && (y_ >= height_ || columns() == 0)) y_ = height_;
    return pass_ != before;
  }

 private:
  static constexpr size_t COLUMN[] = {0, 4, 0, 2, 0, 1, 0, 0}, STEP[] = {8, 8, 4, 4, 2, 2, 1, 1};
  static constexpr size_t ROW[] = {0, 0, 4, 0, 2, 0, 1, 0}, DOWN[] = {8, 8, 8, 4, 4, 2, 2, 1};
  size_t width_, height_, y_ = 0;
  int pass_;
};

// Sets pixels that a file does not have to those of samples of 0.
void Clear(const Unpacker &unpack, uint8_t *rgb, size_t pixels) {
  if (pixels == 0) return;
  const uint8_t zeros[8] = {};
  unpack(zeros, 1, rgb, 3);
  for (size_t done = 1; done < pixels; done *= 2) std::memcpy(rgb + 3 * done, rgb, 3 * std::min(done, pixels - done));
}

// Decompresses the pixels into `rgb`, with rows of `stride` bytes, and returns the number of filled rows, as a file's
// data may end after any row.
size_t ReadPixels(PngReader *reader, const Unpacker &unpack, size_t width, size_t height, uint8_t *rgb, size_t stride) {
  struct Stream {
    z_stream z{};
    Stream() {
      if (inflateInit(&z) != Z_OK) throw std::bad_alloc();
    }
    ~Stream() { inflateEnd(&z); }
  } stream;
  const size_t pixel = (unpack.bits() + 7) / 8, longest = (width * unpack.bits() + 7) / 8 + 1;
  std::vector<uint8_t> row(longest), above(longest);
  Passes passes(width, height, reader->header.interlaced);
  size_t had = 0;
  for (;;) {
    const Bytes bytes = reader->Pixels();
    stream.z.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(bytes.data()));
    stream.z.avail_in = static_cast<uInt>(bytes.size());
    while (stream.z.avail_in > 0) {
      const size_t size = (passes.columns() * unpack.bits() + 7) / 8 + 1;
      stream.z.next_out = row.data() + had;
      stream.z.avail_out = static_cast<uInt>(size - had);
      const int status = inflate(&stream.z, Z_NO_FLUSH);
      if (status < 0) throw ImageError("the pixels are damaged");
      had = size - stream.z.avail_out;
      if (had < size) break;
      had = 0;
      Unfilter(row[0], row.data() + 1, above.data() + 1, size - 1, pixel);
      unpack(row.data() + 1, passes.columns(), rgb + stride * passes.row() + 3 * passes.first(), 3 * passes.step());
      if (passes.Next()) std::fill(row.begin(), row.end(), uint8_t{0});  // nothing is above a pass's first row
      if (passes.done() || status == Z_STREAM_END) return std::min(passes.row(), height);
      row.swap(above);
    }
  }
}

}  // namespace

Image DecodePng(const std::vector<uint8_t> &file) {
  PngReader reader(file);
  reader.ReadHeader();
  const Header &header = reader.header;
  CheckSize(header.width, header.height);
  const Header::Frame frame = header.frame.value_or(Header::Frame{0, 0, header.width, header.height});
  if (frame.width == 0 || frame.height == 0 || frame.left + frame.width > header.width ||
      frame.top + frame.height > header.height) {
    throw ImageError("a frame of the animation has no pixels or is larger than the image");
  }
  const Unpacker unpack(header);
  Image image(header.width, header.height);
  const size_t stride = size_t{3} * header.width;
  const bool whole = !header.interlaced && frame.width == header.width && frame.height == header.height;
  if (!whole) Clear(unpack, image.rgb.get(), size_t{header.width} * header.height);
  // An interlaced frame begins at the image's corner, as Pillow puts it.
  const size_t corner = header.interlaced ? 0 : stride * frame.top + size_t{3} * frame.left;
  const size_t rows = ReadPixels(&reader, unpack, frame.width, frame.height, image.rgb.get() + corner, stride);
  if (whole) Clear(unpack, image.rgb.get() + stride * rows, header.width * (header.height - rows));
  reader.ReadRest();
  if (header.depth == 16) {
    image.highest = *std::max_element(image.rgb.get(), image.rgb.get() + stride * header.height);
  }
  image.orientation = FindOrientation(reader.metadata);
  return image;
}

}  // namespace tinynets
