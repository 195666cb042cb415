/* A driver for tests: one of vpcd's slots with keys, as PC/SC part 10 describes them.
 *
 * Everything goes through to a private copy of libifdvpcd (PINPAD_VPCD), but the
 * commands to the reader itself. Its keys are a unix socket (PINPAD_KEYS): whoever
 * listens there is the holder and sends digits, "CANCEL" or "TIMEOUT", each with a
 * newline. A change of the PIN asks three times.
 *
 *   gcc -shared -fPIC -O2 -I/usr/include/PCSC pinpad_shim.c -o libpinpad.so -ldl
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <ifdhandler.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTROL(code) (0x42000000 + (code))
#define GET_FEATURES CONTROL(3400)
#define VERIFY_DIRECT CONTROL(3500)
#define MODIFY_DIRECT CONTROL(3501)
enum { TIMED_OUT = 0x6400, CANCELLED = 0x6401, NOT_ALIKE = 0x6402, BAD_LENGTH = 0x6403 };
enum { LONGEST = 64, VERIFY_HEAD = 19, MODIFY_HEAD = 24 };

static void *inner(const char *name)
{
    static void *library;
    if (library == NULL)
        library = dlopen(getenv("PINPAD_VPCD"), RTLD_NOW | RTLD_LOCAL);
    return library == NULL ? NULL : dlsym(library, name);
}

#define THROUGH(name, declared, passed)                                   \
    RESPONSECODE name declared                                            \
    {                                                                     \
        RESPONSECODE (*work) declared = inner(#name);                     \
        return work == NULL ? IFD_COMMUNICATION_ERROR : work passed;      \
    }

THROUGH(IFDHCreateChannel, (DWORD lun, DWORD channel), (lun, channel))
THROUGH(IFDHCreateChannelByName, (DWORD lun, LPSTR name), (lun, name))
THROUGH(IFDHCloseChannel, (DWORD lun), (lun))
THROUGH(IFDHSetCapabilities, (DWORD lun, DWORD tag, DWORD length, PUCHAR value),
        (lun, tag, length, value))
THROUGH(IFDHSetProtocolParameters,
        (DWORD lun, DWORD protocol, UCHAR flags, UCHAR a, UCHAR b, UCHAR c),
        (lun, protocol, flags, a, b, c))
THROUGH(IFDHPowerICC, (DWORD lun, DWORD action, PUCHAR atr, PDWORD length),
        (lun, action, atr, length))
THROUGH(IFDHICCPresence, (DWORD lun), (lun))
THROUGH(IFDHTransmitToICC,
        (DWORD lun, SCARD_IO_HEADER sent, PUCHAR command, DWORD command_length,
         PUCHAR answer, PDWORD answer_length, PSCARD_IO_HEADER received),
        (lun, sent, command, command_length, answer, answer_length, received))

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value)
{
    RESPONSECODE (*work)(DWORD, DWORD, PDWORD, PUCHAR) = inner("IFDHGetCapabilities");
    if (tag == TAG_IFD_SLOTS_NUMBER) {
        *value = 1;
        *length = 1;
        return IFD_SUCCESS;
    }
    return work == NULL ? IFD_COMMUNICATION_ERROR : work(lun, tag, length, value);
}

/* Ask the holder for one PIN; its length, or 0 with why in *status. */
static size_t entered(char digits[LONGEST], size_t least, size_t most, int *status)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t count = 0;
    int keys = socket(AF_UNIX, SOCK_STREAM, 0);

    *status = TIMED_OUT;
    strncpy(address.sun_path, getenv("PINPAD_KEYS"), sizeof address.sun_path - 1);
    if (keys < 0 || connect(keys, (struct sockaddr *)&address, sizeof address) < 0) {
        if (keys >= 0)
            close(keys);
        return 0;
    }
    while (count < LONGEST - 1 && read(keys, digits + count, 1) == 1
           && digits[count] != '\n')
        count++;
    close(keys);
    digits[count] = 0;
    if (strcmp(digits, "CANCEL") == 0)
        *status = CANCELLED;
    else if (strcmp(digits, "TIMEOUT") != 0)
        *status = count < least || count > most ? BAD_LENGTH : 0;
    return *status == 0 ? count : 0;
}

/* Pack digits as BCD from the left into a block that is all F. */
static void pack(UCHAR *block, size_t size, const char *digits)
{
    memset(block, 0xFF, size);
    for (size_t i = 0; digits[i] != 0 && i / 2 < size; i++) {
        UCHAR nibble = digits[i] & 0x0F;
        block[i / 2] = i % 2 == 0 ? (UCHAR)(nibble << 4 | 0x0F)
                                  : (UCHAR)((block[i / 2] & 0xF0) | nibble);
    }
}

static RESPONSECODE said(int status, PUCHAR answer, LPDWORD length)
{
    answer[0] = (UCHAR)(status >> 8);
    answer[1] = (UCHAR)status;
    *length = 2;
    return IFD_SUCCESS;
}

static RESPONSECODE passed_on(DWORD lun, UCHAR *command, DWORD size, PUCHAR answer,
                              DWORD room, LPDWORD length)
{
    SCARD_IO_HEADER sent = {1, 0}, received = {1, 0};
    DWORD count = room;
    RESPONSECODE result =
        IFDHTransmitToICC(lun, sent, command, size, answer, &count, &received);

    explicit_bzero(command, size);
    *length = result == IFD_SUCCESS ? count : 0;
    return result;
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR request, DWORD size,
                         PUCHAR answer, DWORD room, LPDWORD length)
{
    char digits[3][LONGEST];
    int status = 0;

    *length = 0;
    if (code == GET_FEATURES && room >= 12) {
        uint32_t verify = htonl(VERIFY_DIRECT), modify = htonl(MODIFY_DIRECT);
        answer[0] = 0x06, answer[1] = 4;
        memcpy(answer + 2, &verify, 4);
        answer[6] = 0x07, answer[7] = 4;
        memcpy(answer + 8, &modify, 4);
        *length = 12;
        return IFD_SUCCESS;
    }
    if (code == VERIFY_DIRECT && size > VERIFY_HEAD + 5) {
        UCHAR command[LONGEST];
        DWORD count = size - VERIFY_HEAD;
        if (count > sizeof command || request[3] + 5u > count)
            return IFD_COMMUNICATION_ERROR;
        if (entered(digits[0], request[6], request[5], &status) == 0)
            return said(status, answer, length);
        memcpy(command, request + VERIFY_HEAD, count);
        pack(command + 5, request[3], digits[0]);
        explicit_bzero(digits, sizeof digits);
        return passed_on(lun, command, count, answer, room, length);
    }
    if (code == MODIFY_DIRECT && size > MODIFY_HEAD + 5) {
        UCHAR command[LONGEST];
        DWORD count = size - MODIFY_HEAD;
        if (count > sizeof command || request[6] + request[3] + 5u > count)
            return IFD_COMMUNICATION_ERROR;
        for (int i = 0; i < 3; i++)
            if (entered(digits[i], request[8], request[7], &status) == 0)
                return said(status, answer, length);
        if (strcmp(digits[1], digits[2]) != 0)
            return said(NOT_ALIKE, answer, length);
        memcpy(command, request + MODIFY_HEAD, count);
        pack(command + 5 + request[5], request[3], digits[0]);
        pack(command + 5 + request[6], request[3], digits[1]);
        explicit_bzero(digits, sizeof digits);
        return passed_on(lun, command, count, answer, room, length);
    }
    return IFD_ERROR_NOT_SUPPORTED;
}
