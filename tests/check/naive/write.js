// What write() returns is ignored: what a client does not read is kept in memory.
require('net').createServer(client => {
    client.on('data', data => client.write(data));
}).listen(Number(process.argv[2]), '127.0.0.1');
