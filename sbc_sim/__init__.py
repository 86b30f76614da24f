"""A simulator of the Salesforce SBC for SIP partners: SIP over TLS, SDES-SRTP, an echo, and a verdict."""
