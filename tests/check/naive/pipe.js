// pipe() minds the client that reads slowly; the backlog is Node's default.
require('net').createServer(client => {
    client.on('error', () => {});
    client.pipe(client);
}).listen(Number(process.argv[2]), '127.0.0.1');
