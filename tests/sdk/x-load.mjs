import { connect, subscribe, publish } from './client.mjs';
const [a,b,c]=await Promise.all([7611,7612,7613].map((p)=>connect(p)));
for(let i=0;i<12;i++){ await subscribe([a,b][i%2],{equals:{n:i}}); }
let n=0; const end=Date.now()+60000;
while(Date.now()<end){ const burst=5+Math.round(20*(1+Math.sin(Date.now()/3000))); for(let i=0;i<burst;i++) await publish([a,c][i%2],{n:(n++)%14}).catch(()=>{}); await new Promise(r=>setTimeout(r,100)); }
process.exit(0);
