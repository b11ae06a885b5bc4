#include <csetjmp>
#include <cstdio>
// libjpeg's header needs stdio's first
#include <jpeglib.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "error.h"
#include "image.h"
#include "orientation.h"

namespace tinynets {
namespace {

using Bytes = std::string_view;

constexpr int MOST_SCANS = 1000;  // encoders write ten; each costs a few bytes in the file and a pass over the image

// The header as Pillow reads it before libjpeg does. A file that Pillow refuses here is refused, and the decoder must
// then find the same size.
struct Header {
  int width = 0, height = 0;
  Metadata metadata;
};

// The bytes of a file from the start on.
class Input {
 public:
  explicit Input(Bytes rest) : rest_(rest) {}

  // The next byte, or -1.
  int Byte() {
    if (rest_.empty()) return -1;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

  // The content of a segment.
  Bytes Segment() {
    const int high = Byte(), low = Byte();
    const size_t length = high < 0 || low < 0 ? 0 : static_cast<size_t>(256 * high + low);
    const size_t size = length < 2 ? 0 : length - 2;
    if (low < 0 || size > rest_.size()) throw ImageError("the file is truncated");
    const Bytes segment = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return segment;
  }

 private:
  Bytes rest_;
};

int Byte(Bytes bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

bool StartsWith(Bytes bytes, Bytes start) { return bytes.substr(0, start.size()) == start; }

void Refuse(bool damaged, const char *what) {
  if (damaged) throw ImageError(std::string("damaged: ") + what);
}

void TakeFrame(Bytes frame, Header *header) {
  Refuse(frame.size() < 6 || frame.size() % 3 != 0, "the frame's length");
  header->height = 256 * Byte(frame, 1) + Byte(frame, 2);
  header->width = 256 * Byte(frame, 3) + Byte(frame, 4);
  const int bits = Byte(frame, 0), components = Byte(frame, 5);
  if (bits != 8) throw ImageError("a JPEG of " + std::to_string(bits) + " bits");
  if (components != 1 && components != 3 && components != 4) {
    throw ImageError("a JPEG of " + std::to_string(components) + " components");
  }
}

void CheckTables(Bytes tables) {
  while (!tables.empty()) {
    const size_t size = Byte(tables, 0) < 16 ? 65 : 129;
    Refuse(tables.size() < size, "a quantisation table's length");
    tables.remove_prefix(size);
  }
}

// Photoshop's resources: an incomplete one ends them, but a name's length must exist.
void CheckResources(Bytes segment) {
  const auto number = [&](size_t at, size_t size) {
    size_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | static_cast<size_t>(Byte(segment, at + i));
    return value;
  };
  for (size_t at = 14; at < segment.size() && segment.substr(at, 4) == "8BIM";) {
    at += 4;
    if (at + 2 > segment.size()) return;
    const size_t code = number(at, 2);
    at += 2;
    Refuse(at >= segment.size(), "a resource of Photoshop");
    at += 1 + number(at, 1);
    at += at & 1;
    if (at + 4 > segment.size()) return;
    const size_t size = number(at, 4);
    at += 4;
    if (code == 0x03ed && (size < 14 || at + 14 > segment.size())) return;
    at += size;
    at += at & 1;
  }
}

void TakeApplication(int marker, Bytes segment, Header *header, std::vector<Bytes> *profiles) {
  constexpr Bytes EXIF("Exif\0\0", 6), XMP("http://ns.adobe.com/xap/1.0/\0", 29), PROFILE("ICC_PROFILE\0", 12);
  auto &exif = header->metadata.exif;
  if (marker == 0xe0) Refuse(StartsWith(segment, "JFIF") && segment.size() < 7, "the JFIF segment's length");
  if (marker == 0xee) Refuse(StartsWith(segment, "Adobe") && segment.size() < 7, "the Adobe segment's length");
  if (marker == 0xed && StartsWith(segment, Bytes("Photoshop 3.0\0", 14))) CheckResources(segment);
  if (marker == 0xe2 && StartsWith(segment, PROFILE)) profiles->push_back(segment);
  if (marker != 0xe1) return;
  if (StartsWith(segment, EXIF)) {
    exif = exif.has_value() ? *exif + std::string(segment.substr(EXIF.size())) : std::string(segment);
  } else if (StartsWith(segment, XMP)) {
    header->metadata.xmp = segment.substr(XMP.size());
  }
}

// Reads the segments up to the first scan.
Header ReadHeader(Bytes file) {
  constexpr int PREFIX = 0xff, SCAN = 0xda, TABLES = 0xdb, HIERARCHY = 0xde, COMMENT = 0xfe;
  Input input(file.substr(3));
  Header header;
  std::vector<Bytes> profiles;
  for (int byte = PREFIX; byte >= 0;) {
    if (byte != PREFIX) {  // anything between two segments is skipped
      byte = input.Byte();
      continue;
    }
    const int marker = input.Byte();
    if (marker < 0 || marker == PREFIX) {
      byte = marker;
      continue;
    }
    if (marker != 0 && marker < 0xc0) throw ImageError("damaged: an unknown marker");
    const bool frame =
        (marker >= 0xc0 && marker < 0xd0 && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) || marker == HIERARCHY;
    const bool alone =
        marker == 0 || marker == 0xc8 || (marker >= 0xd0 && marker <= 0xd9) || (marker >= 0xf0 && marker != COMMENT);
    if (!alone) {
      const Bytes segment = input.Segment();
      if (marker == SCAN) return header;
      if (marker == TABLES) CheckTables(segment);
      if (marker >= 0xe0 && marker < 0xf0) TakeApplication(marker, segment, &header, &profiles);
      if (frame) {
        const auto first = std::min_element(profiles.begin(), profiles.end());
        Refuse(first != profiles.end() && first->size() < 14, "a colour profile's length");
        profiles.clear();
        TakeFrame(segment, &header);
      }
    }
    byte = input.Byte();
  }
  throw ImageError("the file is truncated");
}

// libjpeg reports errors by calls that must not return. No object with a destructor exists where longjmp passes.
struct Reader {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jpeg_source_mgr source;
  std::jmp_buf failed;
  char message[JMSG_LENGTH_MAX];
};

Reader *ReaderOf(j_common_ptr info) { return static_cast<Reader *>(info->client_data); }

[[noreturn]] void OnError(j_common_ptr info) {
  info->err->format_message(info, ReaderOf(info)->message);
  std::longjmp(ReaderOf(info)->failed, 1);
}

// libjpeg warns of damaged data and continues with made-up values, as in Pillow.
void OnMessage(j_common_ptr, int) {}

void OnProgress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= MOST_SCANS) return;
  std::snprintf(ReaderOf(info)->message, JMSG_LENGTH_MAX, "more than %d scans", MOST_SCANS);
  std::longjmp(ReaderOf(info)->failed, 1);
}

void Nothing(j_decompress_ptr) {}

// At the end of the file libjpeg stops with an error, while its own source would insert an end marker.
boolean NoMore(j_decompress_ptr) { return FALSE; }

void Skip(j_decompress_ptr info, long count) {  // NOLINT: libjpeg's type
  const size_t skipped = std::min(static_cast<size_t>(std::max(count, 0L)), info->src->bytes_in_buffer);
  info->src->next_input_byte += skipped;
  info->src->bytes_in_buffer -= skipped;
}

bool Start(Reader *reader, const std::vector<uint8_t> &file) {
  reader->info.err = jpeg_std_error(&reader->errors);
  reader->errors.error_exit = OnError;
  reader->errors.emit_message = OnMessage;
  reader->info.client_data = reader;
  std::snprintf(reader->message, JMSG_LENGTH_MAX, "the file is truncated");
  if (setjmp(reader->failed)) return false;
  jpeg_create_decompress(&reader->info);
  reader->progress.progress_monitor = OnProgress;
  reader->info.progress = &reader->progress;
  reader->source = {file.data(), file.size(), Nothing, NoMore, Skip, jpeg_resync_to_restart, Nothing};
  reader->info.src = &reader->source;
  int found;
  do found = jpeg_read_header(&reader->info, FALSE);
  while (found == JPEG_HEADER_TABLES_ONLY);
  return found == JPEG_HEADER_OK;
}

bool ReadPixels(Reader *reader, uint8_t *pixels, size_t stride) {
  if (setjmp(reader->failed)) return false;
  if (!jpeg_start_decompress(&reader->info)) return false;
  while (reader->info.output_scanline < reader->info.output_height) {
    JSAMPROW row = pixels + stride * reader->info.output_scanline;
    if (jpeg_read_scanlines(&reader->info, &row, 1) != 1) return false;
  }
  // The end may be missing, but existing data must be valid; libjpeg 2 reads the length of a second frame's start
  // first.
  const bool ended = jpeg_finish_decompress(&reader->info);
  const int marker = reader->info.unread_marker;
  return ended || !((marker >= 0xc0 && marker <= 0xc2) || marker == 0xc9 || marker == 0xca);
}

// Inks are stored inverted; the arithmetic is Pillow's.
void CmykToRgb(const uint8_t *in, uint8_t *out, size_t pixels) {
  for (size_t i = 0; i < pixels; i++, in += 4, out += 3) {
    const uint32_t light = in[3];
    for (int c = 0; c < 3; c++) {
      const uint32_t product = (255u - in[c]) * light + 128;
      out[c] = static_cast<uint8_t>(light - (((product >> 8) + product) >> 8));
    }
  }
}

}  // namespace

Image DecodeJpeg(const std::vector<uint8_t> &file) {
  const Header header = ReadHeader(Bytes(reinterpret_cast<const char *>(file.data()), file.size()));
  CheckSize(static_cast<uint64_t>(header.width), static_cast<uint64_t>(header.height));
  struct Owner {  // frees libjpeg's memory also after an exception
    Reader reader{};
    ~Owner() { jpeg_destroy_decompress(&reader.info); }
  } owner;
  Reader &reader = owner.reader;
  if (!Start(&reader, file)) throw ImageError(reader.message);
  auto &info = reader.info;
  const size_t width = info.image_width, height = info.image_height;
  const int channels = info.num_components;
  if (width != static_cast<size_t>(header.width) || height != static_cast<size_t>(header.height) ||
      (channels != 1 && channels != 3 && channels != 4)) {
    throw ImageError("damaged: it has two sizes");
  }
  info.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;  // libjpeg repeats grey
  const size_t bytes = channels == 4 ? 4 : 3;
  Image image(width, height);
  image.orientation = FindOrientation(header.metadata);
  std::vector<uint8_t> inks(channels == 4 ? 4 * width * height : 0);
  if (!ReadPixels(&reader, channels == 4 ? inks.data() : image.rgb.get(), bytes * width)) {
    throw ImageError(reader.message);
  }
  if (channels == 4) CmykToRgb(inks.data(), image.rgb.get(), width * height);
  return image;
}

}  // namespace tinynets
