// Asks the Telephony Integration API as the public demo connectors do: axios, jsonwebtoken, a fresh token for each request.
//
//   node connector.mjs BASE_URL PRIVATE_KEY_FILE SCENARIO        prints one JSON line for each request: {step, status, data, headers}
//
// Scenarios: demo (create, messages, omniFlow, PATCH), voicemail (the demo connector's chain), lambda (null bodies, both spellings, bulk),
// refused (what an error looks like to them).

import fs from 'node:fs';
import process from 'node:process';
import axios from 'axios';
import JWT from 'jsonwebtoken';

const [base, keyFile, scenario] = process.argv.slice(2);
const key = fs.readFileSync(keyFile);
const org = '00D5g000004CFGEEA4';
const center = 'AcmeCallCenter';
const client = axios.create({ baseURL: `${base}/telephony/v1` });

function token(changed = {}) {
    return JWT.sign({}, key, { issuer: org, subject: center, expiresIn: '4h', algorithm: 'RS256', ...changed });
}

function headers(provider, changed) {
    return {
        Authorization: `Bearer ${token(changed)}`,
        'Content-Type': 'application/json',
        ...(provider ? { 'Telephony-Provider-Name': provider } : {}),
    };
}

async function told(step, asked) {
    try {
        const { status, data, headers: got } = await asked;
        console.log(JSON.stringify({ step, status, data, headers: got }));
        return data;
    } catch (error) {
        const { status, data, headers: got } = error.response ?? { status: null, data: error.code, headers: {} };
        console.log(JSON.stringify({ step, status, data, headers: got }));
        return data;
    }
}

const demo = { headers: () => headers('demo-connector') };
const post = (path, body, given = demo) => client.post(path, body, { headers: given.headers() });
const patch = (path, body, given = demo) => client.patch(path, body, { headers: given.headers() });

function newCall(vendorCallKey, more = {}) {
    return {
        callCenterApiName: center, initiationMethod: 'Inbound', vendorCallKey, to: '+15550100', from: '+15550199',
        startTime: new Date().toISOString(), participants: [{ participantKey: '+15550199', type: 'END_USER' }], ...more,
    };
}

function utterance(senderType, participantId, more = {}) {
    const now = Math.ceil(Date.now());
    return { messageId: Math.random().toString(36), content: 'hello', senderType, startTime: now, endTime: now + 25000, participantId, ...more };
}

const scenarios = {
    async demo() {
        const vendorCallKey = Math.random().toString(36).substring(3);
        const created = await told('create', post('/voiceCalls', newCall(vendorCallKey, { callAttributes: JSON.stringify({ vip: true }) })));
        created.vendorCallKey = vendorCallKey; // the connector writes into the answer: it must be an object
        await told('message', post(`/voiceCalls/${vendorCallKey}/messages`, utterance('END_USER', `${vendorCallKey}END_USER`)));
        await told('message', post(`/voiceCalls/${vendorCallKey}/messages`, utterance('VIRTUAL_AGENT', vendorCallKey)));
        const flow = { flowName: 'SupportFlow', fallbackQueue: 'Overflow', flowInputParameters: { transferTarget: '00G000000000001' } };
        await told('omniFlow', patch(`/voiceCalls/${created.voiceCallId}/omniFlow`, flow));
        const events = [{ type: 'sentiment', value: 'good', startTime: Date.now(), participant: 'END_USER' }];
        await told('events', post(`/voiceCalls/${vendorCallKey}/realtimeConversationEvents`, { service: 's', persist: true, events }));
        await told('update', patch(`/voiceCalls/${created.voiceCallId}`, { isActiveCall: true }));
        await told('end', patch(`/voiceCalls/${created.voiceCallId}`, { endTime: new Date().toISOString() }));
    },

    async voicemail() {
        const vendorCallKey = Math.random().toString(36).substring(3);
        const { voiceCallId } = await told('create', post('/voiceCalls', newCall(vendorCallKey)));
        const ended = new Date(Date.now() + 61000).toISOString();
        const mail = { callOrigin: 'Voicemail', isActiveCall: true, endTime: ended, startTime: new Date().toISOString() };
        await told('voicemail', patch(`/voiceCalls/${voiceCallId}`, mail));
        await told('message', post(`/voiceCalls/${vendorCallKey}/messages`, utterance('END_USER', `${vendorCallKey}END_USER`)));
        await told('omniFlow', patch(`/voiceCalls/${voiceCallId}/omniFlow`, { dialedNumber: '+15550100' }));
        await told('recording', patch(`/voiceCalls/${voiceCallId}`, { recordingLocation: 'https://example.com/r.wav', totalRecordingDuration: 61 }));
    },

    async lambda() {
        const bare = { headers: () => headers(null) }; // no Telephony-Provider-Name, as on clearRouting, reroute and requestCallback
        const amazon = { headers: () => headers('amazon-connect', { jwtid: crypto.randomUUID(), expiresIn: '5m' }) };
        const { voiceCallId } = await told('create', post('/voiceCalls', newCall('contact-1'), amazon));
        await told('omniFlow', patch('/voiceCalls/contact-1/omniFlow', { flowDevName: 'SupportFlow', fallbackQueue: 'Overflow' }, amazon));
        await told('reroute', patch('/voiceCalls/contact-1/reroute', null, bare));
        await told('rerouteByPost', post('/voiceCalls/contact-1/reroute', undefined, bare));
        await told('clearRouting', patch('/voiceCalls/contact-1/clearRouting', null, bare));
        await told('route', patch(`/voiceCalls/route/${voiceCallId}`, { routingTarget: '005000000000001' }, amazon));
        await told('routeByPost', post(`/voiceCalls/${voiceCallId}/routeVoiceCall`, { routingTarget: '005000000000001' }, amazon));
        await told('callback', post('/voiceCalls/contact-1/requestCallback', { callbackNumber: '+15550199' }, bare));
        const said = { vendorCallKey: 'contact-1', messages: [utterance('END_USER', 'contact-1END_USER')] };
        await told('bulk', post('/voiceCalls/messages', { entries: [said] }, amazon));
        const context = { scrt2Domain: 'acme.my.salesforce-scrt.com', toNumber: '+15550100', callId: voiceCallId, transactionId: 't1' };
        await told('reserve', post('/voiceCalls/reserveRoutableNumber', { countryCode: 'US', fromNumber: '+15550199', context }, amazon));
        await told('context', post('/voiceCalls/createVoiceCallContext', { fromNumber: '+15550199', context }, amazon));
        const update = { endTime: new Date().toISOString(), disconnectReason: { value: 'CUSTOMER_DISCONNECT', isError: false } };
        await told('end', patch('/voiceCalls/contact-1', update, amazon));
    },

    async refused() {
        await told('expired', post('/voiceCalls', newCall('r1'), { headers: () => headers('demo-connector', { expiresIn: '-1s' }) }));
        await told('subject', post('/voiceCalls', newCall('r1'), { headers: () => headers('demo-connector', { subject: 'Other' }) }));
        const { to, ...lacking } = newCall('r1');
        await told('missing', post('/voiceCalls', lacking));
        await told('unknown', patch('/voiceCalls/undefined', { isActiveCall: true }));
        await told('limited', post('/voiceCalls', newCall('r1')));
        await told('dropped', post('/voiceCalls', newCall('r1')));
        await told('garbage', post('/voiceCalls', newCall('r1')));
    },
};

await scenarios[scenario]();
