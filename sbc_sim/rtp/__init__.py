"""RTP, RTCP, SRTP, audio levels, DTMF, statistics and the echo (RFC 3550, 3711, 4733). Pure."""
