"""Settings of partner platforms by theme, shared by the rules that need them.

Names come from the platforms' own documentation and samples as far as they could be looked up, else from experience; none of these
platforms was run here but baresip, linphone and Kamailio (docs/recipes). A platform that is left out of a theme
has such a setting too, as a rule; its name was not certain enough to send somebody looking for it.
HOST stands for the SBC's host name, HEX for the hex digits of the User-to-User value.
"""

from __future__ import annotations

from collections.abc import Mapping

Settings = Mapping[str, str]

AUDIOCODES = "AudioCodes Mediant"
ORACLE = "Oracle SBC"
RIBBON_EDGE = "Ribbon SBC Edge"
RIBBON_CORE = "Ribbon SBC Core"
CUBE = "Cisco CUBE"
GENESYS = "Genesys Cloud BYOC"
ASTERISK = "Asterisk (pjsip)"
FREESWITCH = "FreeSWITCH"
KAMAILIO = "Kamailio"
OPENSIPS = "OpenSIPS"
BARESIP = "baresip"
PJSUA = "pjsua"

TRANSPORT_TLS: Settings = {
    AUDIOCODES: "Proxy Set: address HOST:5061 with Transport Type TLS; SIP Interface: a TLS Port and a TLS Context.",
    ORACLE: "session-agent: transport-method StaticTLS, port 5061; sip-interface > sip-port: transport-protocol TLS with a tls-profile.",
    RIBBON_EDGE: "SIP Server Table, IP/FQDN: Host HOST, Port 5061, Protocol TLS, and a TLS Profile.",
    RIBBON_CORE: "ipPeer: ipAddress and ipPort, or policy sip fqdn and fqdnPort; over TLS it adds 1 to an fqdnPort other than 5061.",
    CUBE: "dial-peer voice: session transport tcp tls, session target dns:HOST:5061 (of an address ipv4:HOST:5061).",
    GENESYS: "External trunk: Protocol TLS; SIP server HOST with port 5061.",
    ASTERISK: "pjsip.conf: a transport with protocol=tls; aor contact=sip:HOST:5061\\;transport=tls; endpoint transport= that transport.",
    FREESWITCH: "sofia profile: tls=true; dial sofia/external/NUMBER@HOST:5061;transport=tls.",
    KAMAILIO: 'enable_tls=yes, loadmodule "tls.so"; $du = "sip:HOST:5061;transport=tls".',
    OPENSIPS: 'loadmodule "proto_tls.so" and "tls_mgm.so"; $du = "sip:HOST:5061;transport=tls".',
    BARESIP: "/dial sip:NUMBER@HOST:5061;transport=tls",
    PJSUA: '--use-tls and the URL "sip:NUMBER@HOST:5061;transport=tls".',
}

NO_CLIENT_CERTIFICATE: Settings = {
    ASTERISK: "pjsip.conf: use a transport of its own for this trunk, without cert_file and priv_key_file.",
    KAMAILIO: "tls.cfg: a [client:...] section without certificate and private_key.",
    BARESIP: "Leave sip_certificate in config and ;cert= in the account out.",
    PJSUA: "Leave --tls-cert-file and --tls-privkey-file out.",
}

NO_CERTIFICATE_DEMAND: Settings = {
    AUDIOCODES: "SIP Interface: TLS Mutual Authentication Disable (global default: SIPSRequireClientCertificate = 0).",
    ORACLE: "tls-profile: mutual-authenticate disabled.",
    RIBBON_EDGE: "Security > TLS Profiles: Mutual Authentication Disabled.",
    ASTERISK: "pjsip.conf, transport: verify_client=no and require_client_cert=no.",
    FREESWITCH: "sofia profile: tls-verify-policy none or out (neither in nor all).",
    KAMAILIO: "tls.cfg, [server:...]: verify_certificate = no and require_certificate = no.",
    OPENSIPS: 'tls_mgm, server domain: verify_cert "[DOMAIN]0" and require_cert "[DOMAIN]0".',
    PJSUA: "Leave --tls-verify-client out.",
}

TRUST_CA: Settings = {
    AUDIOCODES: "IP Network > Security > TLS Contexts > Trusted Root Certificates: import the CA into the context of this trunk.",
    ORACLE: "A certificate-record that holds the CA, named in trusted-ca-certificates of the tls-profile.",
    RIBBON_EDGE: "Security > SBC Certificates > Trusted CA Certificates: import.",
    CUBE: "crypto pki trustpoint NAME with enrollment terminal, then crypto pki authenticate NAME.",
    GENESYS: "BYOC Cloud trusts public CAs only. BYOC Premises: Telephony > Certificate Authorities > Add.",
    ASTERISK: "pjsip.conf, transport: ca_list_file (with verify_server=yes).",
    FREESWITCH: "cafile.pem in the tls-cert-dir of the sofia profile (with tls-verify-policy out).",
    KAMAILIO: "tls.cfg, [client:...]: ca_list (with verify_certificate = yes).",
    OPENSIPS: "tls_mgm, client domain: ca_list (with verify_cert 1).",
    BARESIP: "config: sip_cafile",
    PJSUA: "--tls-ca-file (with --tls-verify-server)",
}

TLS_VERSION: Settings = {
    AUDIOCODES: "TLS Contexts: TLS Version, with TLSv1.2 or TLSv1.3 ticked.",
    ORACLE: "tls-profile: tls-version tlsv12 or newer.",
    RIBBON_EDGE: "Security > TLS Profiles: TLS Protocol TLS 1.2 Only or TLS 1.2-1.3.",
    CUBE: "sip-ua: transport tcp tls v1.2",
    ASTERISK: "pjsip.conf, transport: method=tlsv1_2",
    FREESWITCH: "sofia profile: tls-version tlsv1.2",
    KAMAILIO: "tls.cfg: method = TLSv1.2+",
    OPENSIPS: 'tls_mgm: tls_method "[DOMAIN]TLSv1_2"',
}

SRTP: Settings = {
    AUDIOCODES: "Media Security: Enable; IP Profile of this trunk: SBC Media Security Mode Secured (SRTP in older releases).",
    ORACLE: "media-sec-policy: outbound mode srtp, protocol sdes, profile = an sdes-profile; the policy named in the realm-config.",
    RIBBON_EDGE: "Media > SDES-SRTP Profiles: Operation Option Required; profile attached to the Media List.",
    RIBBON_CORE: "Packet Service Profile > Secure Rtp Rtcp > Flags: Enable SRTP on, Allow Fallback off.",
    CUBE: "dial-peer voice: srtp, without srtp fallback.",
    GENESYS: "External trunk > Media: an SRTP cipher suite chosen (trunk_media_srtpCipherSuites); Protocol TLS.",
    ASTERISK: "pjsip.conf, endpoint: media_encryption=sdes and media_encryption_optimistic=no.",
    FREESWITCH: "export nolocal:rtp_secure_media=mandatory:AES_CM_128_HMAC_SHA1_80 before bridge (optional gives a second, clear m= line).",
    KAMAILIO: 'rtpengine_offer("RTP/SAVP ...") toward this trunk.',
    OPENSIPS: 'rtpengine_offer("RTP/SAVP ...") toward this trunk.',
    BARESIP: "module srtp.so; account ;mediaenc=srtp-mand (srtp alone offers RTP/AVP with crypto).",
    PJSUA: "--use-srtp=2 --srtp-secure=1 (--use-srtp=1 offers RTP/AVP with crypto).",
}

SRTP_SUITE: Settings = {
    AUDIOCODES: "Media Security: Offered SRTP Cipher Suites.",
    ORACLE: "sdes-profile: crypto-list AES_CM_128_HMAC_SHA1_80",
    RIBBON_EDGE: "Media > SDES-SRTP Profiles: Crypto Suite AES_CM_128_HMAC_SHA1_80.",
    CUBE: "voice class srtp-crypto N: crypto 1 AES_CM_128_HMAC_SHA1_80; dial-peer: voice-class sip srtp-crypto N.",
    GENESYS: "External trunk > Media: SRTP cipher suite AES_CM_128_HMAC_SHA1_80.",
    ASTERISK: "pjsip.conf, endpoint: srtp_tag_32=no gives the 80-bit tag.",
    FREESWITCH: "The list after rtp_secure_media=mandatory: must hold AES_CM_128_HMAC_SHA1_80.",
}

SRTP_KEY_OPTIONS: Settings = {
    AUDIOCODES: "IP Profile: MKI Size 0, Symmetric MKI Disable.",
    ORACLE: "sdes-profile: mki disabled; srtp-encrypt and srtcp-encrypt enabled.",
    RIBBON_EDGE: "Media > SDES-SRTP Profiles: no master key identifier.",
}

CODEC_PCMU: Settings = {
    AUDIOCODES: "IP Profile: Allowed Audio Coders with G.711U-law; Extension Coders Group with G.711U-law where transcoding is needed.",
    ORACLE: "codec-policy on the realm: allow-codecs PCMU telephone-event, add-codecs-on-egress PCMU.",
    RIBBON_EDGE: "Media > Media Profiles: a G.711 u-law voice codec, in the Media List of this trunk.",
    RIBBON_CORE: "Packet Service Profile: a G.711 u-law codec entry.",
    CUBE: "voice class codec N: codec preference 1 g711ulaw; dial-peer: voice-class codec N.",
    GENESYS: "External trunk > Media > Preferred Codec List: audio/PCMU.",
    ASTERISK: "pjsip.conf, endpoint: allow=!all,ulaw",
    FREESWITCH: "export nolocal:absolute_codec_string=PCMU before bridge.",
    KAMAILIO: 'sdpops: sdp_keep_codecs_by_name("PCMU,telephone-event").',
    BARESIP: "account: ;audio_codecs=PCMU/8000/1",
    PJSUA: "--add-codec=pcmu puts it first; it must not be in --dis-codec.",
}

PACKET_TIME: Settings = {
    ORACLE: "codec-policy: packetization-time 20, force-ptime enabled.",
    CUBE: "voice class codec: codec preference 1 g711ulaw bytes 160 (20 ms).",
    ASTERISK: "pjsip.conf, endpoint: allow=!all,ulaw:20",
    FREESWITCH: "absolute_codec_string=PCMU@20i",
    BARESIP: "account: ;ptime=20",
    PJSUA: "--ptime=20",
}

EARLY_OFFER: Settings = {
    AUDIOCODES: "IP Profile of this trunk: Remote Delayed Offer Support Not Supported, with an Extension Coders Group.",
    ORACLE: "sip-interface: add-sdp-invite invite, with add-sdp-profiles.",
    CUBE: "voice service voip > sip: early-offer forced",
}

UUI_HEADER: Settings = {
    AUDIOCODES: "Message Manipulations: Action Subject header.User-to-User on the outbound set of the IP Group. Its own conversion of"
    " X-UserToUser puts a protocol discriminator octet (04) in front: do not use that.",
    ORACLE: "sip-manipulation: header-rule for User-to-User, named as out-manipulationid of the realm or session-agent.",
    CUBE: 'voice class sip-profiles: request INVITE sip-header User-to-User add "User-to-User: HEX;encoding=hex". Some releases limit the'
    " added value to about 220 characters.",
    GENESYS: "External trunk > Protocol > User to User Information: UUI Passthrough Enabled, type User-to-User, hex encoding; data from the"
    " Architect action Set UUI Data. A protocol discriminator octet is put in front.",
    ASTERISK: "Dial(...,b(add-uui^s^1)), there Set(PJSIP_HEADER(add,User-to-User)=HEX\\;encoding=hex). Without the backslash"
    " extensions.conf"
    " takes the rest of the line as a comment.",
    FREESWITCH: "export nolocal:sip_h_User-to-User=HEX;encoding=hex before bridge.",
    KAMAILIO: 'append_hf("User-to-User: HEX;encoding=hex\\r\\n") before t_relay.',
    OPENSIPS: 'append_hf("User-to-User: HEX;encoding=hex\\r\\n") before t_relay.',
    BARESIP: "No command for it: the headers argument of baresip-python's dial, or custom_hdrs_add in a module.",
    PJSUA: "Not on the command line; pjsua2: CallOpParam.txOption.headers.",
}

NO_REFER: Settings = {
    AUDIOCODES: "IP Profile of this trunk: Remote REFER Mode Handle Locally.",
    ORACLE: "realm-config or session-agent: refer-call-transfer enabled, so that the SBC makes the INVITE itself.",
    CUBE: "voice service voip or dial-peer: no supplementary-service sip refer",
    ASTERISK: "Use Dial or a bridge; the Transfer application sends REFER.",
    FREESWITCH: "Use bridge; the deflect application sends REFER.",
    BARESIP: "Do not use /transfer on this call.",
}

SESSION_TIMER: Settings = {
    AUDIOCODES: "IP Profile: Session Expires Mode; the times in SBCSessionExpires and SBCMinSE.",
    ORACLE: "session-timer-profile: session-expires and min-se; named in the sip-interface.",
    CUBE: "voice service voip > sip: session refresh, min-se 90 or more.",
    ASTERISK: "pjsip.conf, endpoint: timers, timers_min_se and timers_sess_expires.",
    FREESWITCH: "sofia profile: enable-timer, session-timeout, minimum-session-expires.",
    PJSUA: "--use-timer, --timer-se, --timer-min-se",
}

RELIABLE_PROVISIONAL: Settings = {
    AUDIOCODES: "IP Profile: PRACK Mode Optional.",
    CUBE: "voice service voip > sip: rel1xx supported 100rel (not require).",
    ASTERISK: "pjsip.conf, endpoint: 100rel=yes (not required).",
    FREESWITCH: "sofia profile: enable-100rel",
    BARESIP: "account: ;100rel=yes (not required).",
    PJSUA: "Leave --use-100rel out.",
}

CALLER_NUMBER: Settings = {
    AUDIOCODES: "IP Profile: P-Asserted-Identity Header Mode Add.",
    CUBE: "voice service voip > sip: asserted-id pai",
    ASTERISK: "pjsip.conf, endpoint: send_pai=yes and trust_id_outbound=yes; CALLERID(num) in +E.164.",
    FREESWITCH: "sip_cid_type=pid (profile: caller-id-type pid); effective_caller_id_number in +E.164.",
    KAMAILIO: 'append_hf("P-Asserted-Identity: <sip:+NUMBER@DOMAIN>\\r\\n")',
    OPENSIPS: 'append_hf("P-Asserted-Identity: <sip:+NUMBER@DOMAIN>\\r\\n")',
    PJSUA: '--id="sip:+NUMBER@DOMAIN"',
}

MEDIA_ADDRESS: Settings = {
    AUDIOCODES: "NAT Translation table, and the Media Realm of this trunk.",
    CUBE: "dial-peer or voice service voip > sip: bind media source-interface",
    ASTERISK: "pjsip.conf, transport: external_media_address and local_net; endpoint: direct_media=no.",
    FREESWITCH: "sofia profile: ext-rtp-ip; rtp-ip an address that can be routed.",
    KAMAILIO: "rtpengine: --interface=NAME/PRIVATE!PUBLIC",
    OPENSIPS: "rtpengine: --interface=NAME/PRIVATE!PUBLIC",
    PJSUA: "--ip-addr=PUBLIC",
}

DTMF_EVENTS: Settings = {
    AUDIOCODES: "IP Profile: RFC 2833 Mode Extend.",
    ORACLE: "sip-interface or session-agent: rfc2833-mode preferred.",
    CUBE: "dial-peer voice: dtmf-relay rtp-nte",
    GENESYS: "External trunk > Media: DTMF Method RTP Events, payload 101.",
    ASTERISK: "pjsip.conf, endpoint: dtmf_mode=rfc4733",
    FREESWITCH: "sofia profile: dtmf-type rfc2833, rfc2833-pt 101.",
    BARESIP: "account: ;dtmfmode=rtpevent",
}

SILENCE_SUPPRESSION: Settings = {
    CUBE: "dial-peer voice: no vad",
    FREESWITCH: "suppress_cng=true; no vad in the sofia profile.",
    ASTERISK: "pjsip.conf, endpoint: rtp_keepalive for legs without a talker.",
    PJSUA: "--no-vad",
}

RTCP: Settings = {
    AUDIOCODES: "IP Profile: RTCP Mode Generate Always.",
    CUBE: "voice service voip: rtcp keepalive",
    FREESWITCH: "sofia profile: rtcp-audio-interval-msec 5000",
}

SOURCE_ADDRESS: Settings = {
    CUBE: "voice service voip > sip: bind control source-interface, so that the registered address is the source.",
    ASTERISK: "pjsip.conf, transport: bind=ADDRESS",
    FREESWITCH: "sofia profile: sip-ip, and ext-sip-ip behind NAT.",
    KAMAILIO: 'force_send_socket("tls:ADDRESS:5061")',
    PJSUA: "--bound-addr=ADDRESS",
}
