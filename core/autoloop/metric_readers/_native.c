/* The compiled part of the readers, which is optional: see `native.py`.

   It takes only what is written as wandb usually writes it, and stops before the first record or chunk that is not; the Python
   beside it takes that one, and decides alone what it means. No byte is read before its place has been compared with the end of
   the record or of the data. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#define _GNU_SOURCE 1
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Python reads the files here."
#endif

typedef const unsigned char *Bytes;
typedef unsigned __int128 u128;

static uint32_t load32(Bytes at) { uint32_t value; memcpy(&value, at, 4); return value; }
static uint64_t load64(Bytes at) { uint64_t value; memcpy(&value, at, 8); return value; }

/* ------------------------------------------------------------------------------------------------------ framing */

#define BLOCK 32768
#define HEAD 7

static uint32_t table[8][256];

static void make_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0xEDB88320u : sum >> 1;
        table[0][byte] = sum;
    }
    for (int row = 1; row < 8; row++)
        for (int byte = 0; byte < 256; byte++)
            table[row][byte] = table[row - 1][byte] >> 8 ^ table[0][table[row - 1][byte] & 255];
}

/* zlib's crc32 of `size` bytes, begun with the checksum of what stands before them. */
static uint32_t crc32(uint32_t sum, Bytes at, size_t size)
{
    sum = ~sum;
    for (; size >= 8; at += 8, size -= 8) {
        uint32_t low = load32(at) ^ sum, high = load32(at + 4);
        sum = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24]
            ^ table[3][high & 255] ^ table[2][high >> 8 & 255] ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
    }
    for (; size; at++, size--)
        sum = sum >> 8 ^ table[0][(sum ^ *at) & 255];
    return ~sum;
}

PyDoc_STRVAR(whole_records_doc, "Adds the records that chunks from `position` on hold whole to `records`; returns the position\n"
                                "of the first other chunk, and the end of the block that it is in.");

static PyObject *whole_records(PyObject *module, PyObject *args)
{
    const char *text;
    Py_ssize_t size, position, block_end;
    PyObject *records;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#nnO:whole_records", &text, &size, &position, &block_end, &records))
        return NULL;
    Bytes data = (Bytes)text;
    const unsigned char full = 1;
    const uint32_t begun = crc32(0, &full, 1);
    /* All are at most `size`, or one block more, so that no sum overflows. */
    while (position >= 0 && position <= size && block_end >= position && block_end - position <= BLOCK) {
        if (block_end - position < HEAD) {
            position = block_end;
            block_end += BLOCK;
            continue;
        }
        if (size - position < HEAD)
            break;
        Bytes head = data + position;
        Py_ssize_t length = head[4] | head[5] << 8, stop = position + HEAD + length;
        if (head[6] != full || stop > block_end || stop > size || crc32(begun, head + HEAD, length) != load32(head))
            break;
        PyObject *record = PyBytes_FromStringAndSize(text + position + HEAD, length);
        if (record == NULL || PyList_Append(records, record) < 0) {
            Py_XDECREF(record);
            return NULL;
        }
        Py_DECREF(record);
        position = stop;
    }
    return Py_BuildValue("nn", position, block_end);
}

/* ------------------------------------------------------------------------------------------------------ numbers */

static uint64_t fives[28]; /* powers; the last is the largest below 2^64 */

static void make_fives(void)
{
    fives[0] = 1;
    for (int power = 1; power < 28; power++)
        fives[power] = 5 * fives[power - 1];
}

/* bits * 2^exponent, of which the top bit is set, to the nearest double, if that is a normal one; `more`: something below it
   is left. */
static double nearest(uint64_t bits, int exponent, int more)
{
    uint64_t kept = bits >> 11, rest = bits & 0x7FF;
    if (rest > 0x400 || (rest == 0x400 && (more || kept & 1)))
        kept++;
    if (kept >> 53) {
        kept >>= 1;
        exponent++;
    }
    uint64_t whole = (uint64_t)(exponent + 11 + 1075) << 52 | (kept & ((UINT64_C(1) << 52) - 1));
    double value;
    memcpy(&value, &whole, 8);
    return value;
}

/* digits * 10^power, exactly rounded; digits > 0 and -27 <= power <= 27. */
static double scaled(uint64_t digits, int power)
{
    if (power >= 0) {
        u128 product = (u128)digits * fives[power];
        uint64_t high = product >> 64, low = (uint64_t)product;
        if (!high)
            return nearest(low << __builtin_clzll(low), power - __builtin_clzll(low), 0);
        int shift = __builtin_clzll(high);
        uint64_t top = shift ? high << shift | low >> (64 - shift) : high;
        return nearest(top, power + 64 - shift, low << shift != 0);
    }
    uint64_t by = fives[-power];
    int first = __builtin_clzll(digits), second = __builtin_clzll(by);
    uint64_t above = digits << first, below = by << second;
    int shift = above < below ? 64 : 63; /* so that the quotient has 64 bits */
    u128 numerator = (u128)above << shift;
    uint64_t quotient = (uint64_t)(numerator / below);
    return nearest(quotient, second - first - shift + power, (uint64_t)numerator != quotient * below);
}

static int is(Bytes at, Py_ssize_t size, const char *text)
{
    return size == (Py_ssize_t)strlen(text) && memcmp(at, text, size) == 0;
}

static int is_digit(Bytes at, Bytes end) { return at < end && *at >= '0' && *at <= '9'; }

/* A number as JSON has it, as Python's float() reads it; whether it is one. -1 with an exception if memory is short. */
static int number(Bytes at, Bytes end, double *value)
{
    Bytes begin = at;
    Py_ssize_t size = end - begin;
    char copy[128];
    if (size >= (Py_ssize_t)sizeof copy)
        return 0;
    int negative = at < end && *at == '-', count = 0, power = 0;
    at += negative;
    if (!is_digit(at, end) || (*at == '0' && is_digit(at + 1, end)))
        return 0;
    uint64_t digits = 0;
    for (; is_digit(at, end); at++, count += digits != 0)
        if (count < 19)
            digits = 10 * digits + (*at - '0');
    if (at < end && *at == '.') {
        if (!is_digit(++at, end))
            return 0;
        for (; is_digit(at, end); at++, count += digits != 0)
            if (count < 19) {
                digits = 10 * digits + (*at - '0');
                power--;
            }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        int minus = at < end && *at == '-', exponent = 0;
        at += at < end && (*at == '-' || *at == '+');
        if (!is_digit(at, end))
            return 0;
        for (; is_digit(at, end); at++)
            if (exponent < 10000)
                exponent = 10 * exponent + (*at - '0');
        power += minus ? -exponent : exponent;
    }
    if (at != end)
        return 0;
    if (count <= 19 && (digits == 0 || (power >= -27 && power <= 27))) {
        double found = digits ? scaled(digits, power) : 0.0;
        *value = negative ? -found : found;
        return 1;
    }
    memcpy(copy, begin, size);
    copy[size] = 0;
    *value = PyOS_string_to_double(copy, NULL, NULL);
    return *value == -1.0 && PyErr_Occurred() ? -1 : 1;
}

/* ------------------------------------------------------------------------------------------------------ protobuf */

/* The unsigned number at `*at`, which is moved behind it; whether there is one. */
static int varint(Bytes *at, Bytes end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; *at < end && shift < 63; shift += 7) {
        unsigned char byte = *(*at)++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return 1;
    }
    return 0;
}

/* The end of the bytes that `*at` says the length of, and `*at` at their beginning; NULL if they reach beyond `end`. */
static Bytes part(Bytes *at, Bytes end)
{
    uint64_t size;
    if (!varint(at, end, &size) || size > (uint64_t)(end - *at))
        return NULL;
    return *at + size;
}

/* An item of a row or a summary: from `*at` on `*size` bytes of key fields, and `*at` at its value, which goes to `end`. */
static int split(Bytes *at, Bytes end, Py_ssize_t *size)
{
    Bytes begin = *at, last;
    while (*at < end && (**at == 0x0A || **at == 0x12)) {
        ++*at;
        if ((last = part(at, end)) == NULL)
            return 0;
        *at = last;
    }
    *size = *at - begin;
    if (end - *at < 2 || (*at)[0] != 0x82 || (*at)[1] != 0x01)
        return 0;
    *at += 2;
    return part(at, end) == end;
}

/* Adds this to the list, and lets go of it. */
static int keep(PyObject *list, PyObject *item)
{
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

/* The field behind the record's number, and `*at` behind its tag; 0 if there is none. */
static unsigned char field_of(Bytes *at, Bytes end)
{
    uint64_t ignored;
    if (*at < end && **at == 0x08) {
        ++*at;
        if (!varint(at, end, &ignored))
            return 0;
    }
    return *at < end ? *(*at)++ : 0;
}

#define HISTORY 0x12
#define SUMMARY 0x1A

PyDoc_STRVAR(summary_items_doc, "The key fields of all items of a summary, and the texts of their values; None if it holds anything else.");

static PyObject *summary_items(PyObject *module, PyObject *args)
{
    const char *text;
    Py_ssize_t length, size;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#:summary_items", &text, &length))
        return NULL;
    Bytes at = (Bytes)text, end = at + length;
    if (field_of(&at, end) != SUMMARY || part(&at, end) != end)
        Py_RETURN_NONE;
    PyObject *heads = PyList_New(0), *texts = PyList_New(0);
    int failed = heads == NULL || texts == NULL, usual = 1;
    while (at < end && usual && !failed) {
        Bytes last = NULL, begin;
        usual = *at++ == 0x0A && (last = part(&at, end)) != NULL;
        begin = at;
        usual = usual && split(&at, last, &size);
        if (usual) {
            failed = keep(heads, PyBytes_FromStringAndSize((const char *)begin, size)) < 0
                || keep(texts, PyBytes_FromStringAndSize((const char *)at, last - at)) < 0;
            at = last;
        }
    }
    if (!failed && usual)
        return Py_BuildValue("NN", heads, texts);
    Py_XDECREF(heads);
    Py_XDECREF(texts);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------------------------ rows */

enum { NOTHING = -1, STEP = -2, TIME = -3 }; /* what a value is, if it is no metric's: in place of the metric's column */
enum { SOME_TIMES = 20 };
enum { PLAIN, ODD }; /* of an item: a number; a text in which there may be numbers */

typedef struct {
    Bytes name; /* NULL: free */
    Py_ssize_t size;
    uint64_t hash;
    Py_ssize_t column;
} Head;

typedef struct {
    int64_t last; /* the step of its last value; INT64_MAX: it has none */
    Py_ssize_t count, room; /* of what was added since `take` began */
    int64_t *steps;
    double *values;
} Column;

typedef struct {
    Py_ssize_t column;
    int kind;
    double value;
    Bytes text;
    Py_ssize_t size;
} Item;

typedef struct {
    PyObject_HEAD
    Head *heads; /* a hash table; `room` is a power of two */
    size_t known, room;
    Column *columns;
    Py_ssize_t width, columns_room;
    Item *items; /* of one row */
    Py_ssize_t items_room;
} Rows;

static uint64_t hash_of(Bytes at, Py_ssize_t size)
{
    uint64_t hash = (uint64_t)size * UINT64_C(0x9E3779B97F4A7C15);
    for (; size >= 8; at += 8, size -= 8) {
        hash = (hash ^ load64(at)) * UINT64_C(0xFF51AFD7ED558CCD);
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    memcpy(&rest, at, size);
    hash = (hash ^ rest) * UINT64_C(0xC4CEB9FE1A85EC53);
    return hash ^ hash >> 29;
}

/* Where this head is, or would be; the table has room for it. */
static Head *find(Rows *self, Bytes name, Py_ssize_t size, uint64_t hash)
{
    for (size_t at = hash;; at++) {
        Head *head = &self->heads[at & (self->room - 1)];
        if (head->name == NULL || (head->hash == hash && head->size == size && memcmp(head->name, name, size) == 0))
            return head;
    }
}

static int grow_heads(Rows *self)
{
    Head *before = self->heads;
    size_t room = self->room;
    Head *heads = PyMem_Calloc(room ? 2 * room : 64, sizeof(Head));
    if (heads == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->heads = heads;
    self->room = room ? 2 * room : 64;
    for (size_t at = 0; at < room; at++)
        if (before[at].name != NULL)
            *find(self, before[at].name, before[at].size, before[at].hash) = before[at];
    PyMem_Free(before);
    return 0;
}

PyDoc_STRVAR(learn_doc, "From now on values behind these key fields belong to this column: NOTHING, STEP, TIME, or a metric's number.");

static PyObject *learn(Rows *self, PyObject *args)
{
    const char *text;
    Py_ssize_t size, column;
    if (!PyArg_ParseTuple(args, "y#n:learn", &text, &size, &column))
        return NULL;
    if (column < TIME || column > 1000000) {
        PyErr_SetString(PyExc_ValueError, "there is no such column");
        return NULL;
    }
    if (column >= self->columns_room) {
        Py_ssize_t room = 2 * column + 32;
        Column *columns = PyMem_Realloc(self->columns, room * sizeof(Column));
        if (columns == NULL)
            return PyErr_NoMemory();
        memset(columns + self->columns_room, 0, (room - self->columns_room) * sizeof(Column));
        self->columns = columns;
        self->columns_room = room;
    }
    if (self->width <= column)
        self->width = column + 1;
    if (2 * (self->known + 1) > self->room && grow_heads(self) < 0)
        return NULL;
    uint64_t hash = hash_of((Bytes)text, size);
    Head *head = find(self, (Bytes)text, size, hash);
    if (head->name == NULL) {
        unsigned char *name = PyMem_Malloc(size ? size : 1);
        if (name == NULL)
            return PyErr_NoMemory();
        memcpy(name, text, size);
        head->name = name;
        head->size = size;
        head->hash = hash;
        self->known++;
    }
    head->column = column;
    Py_RETURN_NONE;
}

static int add(Column *column, int64_t step, double value)
{
    if (column->count == column->room) {
        Py_ssize_t room = column->room ? 2 * column->room : 16;
        int64_t *steps = PyMem_Realloc(column->steps, room * sizeof(int64_t));
        if (steps != NULL)
            column->steps = steps;
        double *values = PyMem_Realloc(column->values, room * sizeof(double));
        if (values != NULL)
            column->values = values;
        if (steps == NULL || values == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        column->room = room;
    }
    column->steps[column->count] = step;
    column->values[column->count++] = value;
    column->last = step;
    return 0;
}

#define MOST_STEP 1152921504606846976.0 /* 2^60: a step is less, as in columns.py */

enum { TAKEN = 1, REFUSED = 0, FAILED = -1 };

/* The key fields and the value of the HistoryItem at `at` into `item`. */
static int read_item(Rows *self, Bytes at, Bytes end, Item *item)
{
    Bytes begin = at;
    Py_ssize_t size;
    if (!split(&at, end, &size))
        return REFUSED;
    Head *head = find(self, begin, size, hash_of(begin, size));
    if (head->name == NULL)
        return REFUSED;
    item->column = head->column;
    if (item->column == NOTHING)
        return TAKEN;
    size = end - at;
    int found = number(at, end, &item->value);
    item->kind = PLAIN;
    if (found)
        return found < 0 ? FAILED : TAKEN;
    if (item->column < 0 || size == 0)
        return REFUSED;
    if (is(at, size, "NaN")) {
        item->value = Py_NAN;
    } else if (is(at, size, "Infinity")) {
        item->value = Py_HUGE_VAL;
    } else if (is(at, size, "-Infinity")) {
        item->value = -Py_HUGE_VAL;
    } else if (*at == '{' || is(at, size, "\"NaN\"") || is(at, size, "\"Infinity\"") || is(at, size, "\"-Infinity\"")
               || (*at == '"' && memchr(at, '\\', size) != NULL)) {
        item->kind = ODD;
        item->text = at;
        item->size = size;
    } else if (*at == '[' || (*at == '"' && end[-1] == '"') || is(at, size, "true") || is(at, size, "false") || is(at, size, "null")) {
        item->column = NOTHING;
    } else {
        return REFUSED;
    }
    return TAKEN;
}

typedef struct {
    int64_t step, largest; /* of the last row; of all */
    Py_ssize_t count;
    struct { int64_t step; double time; } times[SOME_TIMES]; /* a ring */
    Py_ssize_t timed;
    PyObject *others, *odd; /* of the last row: (column, value) that have to be put in their place; (column, text) */
} Taken;

/* Takes up the HistoryRecord at `at`, or nothing of it. */
static int read_row(Rows *self, Bytes at, Bytes end, Taken *taken)
{
    Py_ssize_t count = 0;
    int said = 0, stepped = 0;
    int64_t step = 0;
    while (at < end) {
        unsigned char tag = *at++;
        Bytes last;
        if ((tag != 0x0A && tag != 0x12) || (last = part(&at, end)) == NULL)
            return REFUSED;
        if (tag == 0x12) { /* HistoryStep, as wandb writes it: nothing, or its number */
            uint64_t value = 0;
            if (said || (at < last && (*at++ != 0x08 || !varint(&at, last, &value) || at != last)))
                return REFUSED;
            if (value >= (uint64_t)MOST_STEP)
                return REFUSED;
            if (!stepped)
                step = (int64_t)value;
            said = 1;
            at = last;
            continue;
        }
        if (count == self->items_room) {
            Py_ssize_t room = count ? 2 * count : 32;
            Item *items = PyMem_Realloc(self->items, room * sizeof(Item));
            if (items == NULL) {
                PyErr_NoMemory();
                return FAILED;
            }
            self->items = items;
            self->items_room = room;
        }
        Item *item = &self->items[count];
        int read = read_item(self, at, last, item);
        if (read != TAKEN)
            return read;
        at = last;
        if (item->column == STEP) {
            if (stepped || !(item->value > -MOST_STEP && item->value < MOST_STEP))
                return REFUSED;
            step = (int64_t)item->value;
            stepped = 1;
        } else if (item->column != NOTHING) {
            count++;
        }
    }
    if (!said && !stepped)
        step = taken->step + 1;
    taken->step = step;
    if (step > taken->largest)
        taken->largest = step;
    taken->count++;
    for (Item *item = self->items; item < self->items + count; item++) {
        Column *column = item->column >= 0 ? &self->columns[item->column] : NULL;
        int kept = 0;
        if (column == NULL) {
            taken->times[taken->timed % SOME_TIMES].step = step;
            taken->times[taken->timed++ % SOME_TIMES].time = item->value;
        } else if (item->kind == ODD) {
            kept = keep(taken->odd, Py_BuildValue("ny#", item->column, (const char *)item->text, item->size));
        } else if (column->last >= step) {
            kept = keep(taken->others, Py_BuildValue("nd", item->column, item->value));
        } else {
            kept = add(column, step, item->value);
        }
        if (kept < 0)
            return FAILED;
    }
    return TAKEN;
}

/* What was added to the columns: [(column, steps, values)]. */
static PyObject *added(Rows *self)
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t index = 0; list != NULL && index < self->width; index++) {
        Column *column = &self->columns[index];
        if (!column->count)
            continue;
        PyObject *each = Py_BuildValue("ny#y#", index, (const char *)column->steps, column->count * 8,
                                       (const char *)column->values, column->count * 8);
        if (keep(list, each) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *times_of(const Taken *taken)
{
    PyObject *list = PyList_New(0);
    Py_ssize_t index = taken->timed > SOME_TIMES ? taken->timed - SOME_TIMES : 0;
    for (; list != NULL && index < taken->timed; index++) {
        int at = index % SOME_TIMES;
        PyObject *pair = Py_BuildValue("Ld", (long long)taken->times[at].step, taken->times[at].time);
        if (keep(list, pair) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static int is_summary_of_a_row(Bytes record, Py_ssize_t size) { return memmem(record, size, "_step\x82\x01", 7) != NULL; }
static int is_own_summary(Bytes record, Py_ssize_t size) { return memmem(record, size < 20 ? size : 20, "_wandb", 6) != NULL; }

PyDoc_STRVAR(take_doc,
             "Takes records from `start` on, until one has to be taken by Python: before it, or behind a row of which values have to\n"
             "be put in their place. `lasts`: the last step of each column as int64, the largest there is where it has no value.\n"
             "Returns (index of the first record not taken, index of the newest summary of a row or -1, rows, largest step, step of\n"
             "the last row, times, added to the columns, others and odd values of the last row).");

static PyObject *take(Rows *self, PyObject *args)
{
    PyObject *records, *result = NULL;
    Py_buffer lasts = {0};
    Py_ssize_t at, newest = -1;
    long long row_step, largest;
    if (!PyArg_ParseTuple(args, "O!nLLy*:take", &PyList_Type, &records, &at, &row_step, &largest, &lasts))
        return NULL;
    Taken taken = {.step = row_step, .largest = largest, .others = PyList_New(0), .odd = PyList_New(0)};
    if (taken.others == NULL || taken.odd == NULL)
        goto done;
    if (at < 0 || lasts.len / 8 < self->width) {
        PyErr_SetString(PyExc_ValueError, "a column is missing");
        goto done;
    }
    if (!self->room && grow_heads(self) < 0)
        goto done;
    for (Py_ssize_t index = 0; index < self->width; index++) {
        memcpy(&self->columns[index].last, (const char *)lasts.buf + 8 * index, 8);
        self->columns[index].count = 0;
    }
    for (; at < PyList_Size(records); at++) {
        char *text;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyList_GetItem(records, at), &text, &size) < 0)
            goto done;
        Bytes record = (Bytes)text, end = record + size, field = record;
        unsigned char kind = field_of(&field, end);
        if (kind == 0x32 || kind == 0x3A || kind == 0x6A) /* files, stats, output_raw */
            continue;
        if (kind == SUMMARY) {
            if (is_summary_of_a_row(record, size))
                newest = at;
            else if (!is_own_summary(record, size))
                break;
            continue;
        }
        if (kind != HISTORY || part(&field, end) != end)
            break;
        int read = read_row(self, field, end, &taken);
        if (read == FAILED)
            goto done;
        if (read == REFUSED)
            break;
        if (PyList_Size(taken.others) || PyList_Size(taken.odd)) {
            at++;
            break;
        }
    }
    PyObject *times = times_of(&taken), *columns = times == NULL ? NULL : added(self);
    if (columns == NULL)
        Py_XDECREF(times);
    else
        result = Py_BuildValue("nnnLLNNOO", at, newest, taken.count, (long long)taken.largest, (long long)taken.step, times,
                               columns, taken.others, taken.odd);
done:
    Py_XDECREF(taken.others);
    Py_XDECREF(taken.odd);
    PyBuffer_Release(&lasts);
    return result;
}

static void rows_free(Rows *self)
{
    for (size_t at = 0; at < self->room; at++)
        PyMem_Free((void *)self->heads[at].name);
    for (Py_ssize_t index = 0; index < self->columns_room; index++) {
        PyMem_Free(self->columns[index].steps);
        PyMem_Free(self->columns[index].values);
    }
    PyMem_Free(self->heads);
    PyMem_Free(self->columns);
    PyMem_Free(self->items);
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------------------------------------ module */

static PyMethodDef rows_methods[] = {
    {"learn", (PyCFunction)learn, METH_VARARGS, learn_doc},
    {"take", (PyCFunction)take, METH_VARARGS, take_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot rows_slots[] = {
    {Py_tp_dealloc, rows_free},
    {Py_tp_methods, rows_methods},
    {Py_tp_doc, "What the rows of one W&B log have been found to hold."},
    {0, NULL},
};

static PyType_Spec rows_spec = {
    .name = "autoloop.metric_readers._native.Rows",
    .basicsize = sizeof(Rows),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = rows_slots,
};

static int prepare(PyObject *module)
{
    if (Py_Version >> 16 < PY_VERSION_HEX >> 16) { /* its headers use what this one lacks */
        PyErr_SetString(PyExc_ImportError, "built for a newer Python");
        return -1;
    }
    make_table();
    make_fives();
    PyObject *rows = PyType_FromSpec(&rows_spec);
    if (rows == NULL || PyModule_AddType(module, (PyTypeObject *)rows) < 0) {
        Py_XDECREF(rows);
        return -1;
    }
    Py_DECREF(rows);
    return PyModule_AddIntConstant(module, "SOURCE_SUM", SOURCE_SUM) || PyModule_AddIntConstant(module, "NOTHING", NOTHING)
        || PyModule_AddIntConstant(module, "STEP", STEP) || PyModule_AddIntConstant(module, "TIME", TIME) ? -1 : 0;
}

static PyMethodDef functions[] = {
    {"whole_records", whole_records, METH_VARARGS, whole_records_doc},
    {"summary_items", summary_items, METH_VARARGS, summary_items_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, prepare},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "Chunks and rows of W&B's files.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
